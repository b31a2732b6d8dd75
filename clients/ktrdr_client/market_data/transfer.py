"""Calls that move bars between the store and files."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, Final

from ktrdr.ib.v1.bars_pb2 import Instrument
from ktrdr.ib.v1.ib_pb2 import ImportBarsRequest, ImportBarsResponse

from ktrdr_client.bar_sizes import is_daily_or_longer, parse_bar_size
from ktrdr_client.bars import import_pyarrow
from ktrdr_client.calls import call_with_stream, open_stream
from ktrdr_client.market_data.bar_stream import BarStream
from ktrdr_client.market_data.connection import IbHostConnection
from ktrdr_client.market_data.export import ExportedBars, format_of, new_file, write_stream
from ktrdr_client.market_data.stored import STREAM_SECONDS, bars_request
from ktrdr_client.specs import Moment, dataset_key

_BATCH_ROWS: Final = 16_384
"""Bars in a message: about 1 MiB."""


class TransferCalls(IbHostConnection):
    """Exports stored bars, and imports those of others."""

    async def export(
        self,
        symbol: str | Instrument,
        bar_size: str,
        to: str | PathLike[str] | BinaryIO,
        *,
        file_format: str | None = None,
        source: str | None = None,
        start: Moment | None = None,
        end: Moment | None = None,
        what_to_show: str = "",
        use_rth: bool = True,
        overwrite: bool = False,
        on_rows: Callable[[int], None] | None = None,
        host: str = "",
    ) -> ExportedBars:
        """Write stored bars into a CSV or Parquet file; they pass through, and are never all in memory.

        The file is in its place whole, or not at all. In CSV, times are ISO 8601 in UTC, and dates for daily and
        longer bars.

        Args:
            symbol: Symbol of a US stock or currency pair ("EUR.USD"), or an instrument.
            bar_size: "1d", "1h", "5min", …
            to: Path of the file, or an open binary file.
            file_format: "csv" or "parquet"; None: what the suffix says.
            source: "ib", "replay" or "imported", where several are stored.
            start: First day or instant, UTC; None from the beginning.
            end: Last day (counted in full) or end instant (exclusive), UTC; None to the end.
            what_to_show: "trades", "midpoint", "bid", "ask" or "adjusted_last"; empty: midpoint for forex, else trades.
            use_rth: Regular trading hours only.
            overwrite: Replace a file that is there.
            on_rows: Told in a thread of its own how many bars are written, again and again.
            host: IB host to ask; empty for the only one.

        Raises:
            NotFound: There are no such bars.
            AlreadyExists: There is a file, and it may not be overwritten.
            InvalidArgument: Bars of several sources are stored, and `source` does not say which.
            MissingLibrary: pyarrow is not installed.
            ValueError: A text cannot be understood, or the format is not known.
            OSError: The file cannot be written.
        """
        import_pyarrow()
        request = bars_request(
            symbol, bar_size, source=source, start=start, end=end, what_to_show=what_to_show, use_rth=use_rth
        )
        path = Path(to) if isinstance(to, str | PathLike) else None
        chosen = format_of(path or Path(), file_format)
        stub, endpoint = await self._host(host)
        async with open_stream(stub.StreamBars, request, endpoint=endpoint, timeout_seconds=STREAM_SECONDS) as messages:
            stream = BarStream(messages)
            if path is None:
                return await write_stream(stream, to, chosen, on_rows)  # type: ignore[arg-type]  # no path: a file
            with new_file(path, overwrite=overwrite) as file:
                return await write_stream(stream, file, chosen, on_rows)

    async def import_bars(
        self,
        bars: Any,
        symbol: str | Instrument,
        bar_size: str,
        *,
        what_to_show: str = "",
        use_rth: bool = True,
        replace: bool = False,
        time_zone: str = "",
        time_format: str = "",
        on_rows: Callable[[int, int], None] | None = None,
        on_note: Callable[[str], None] | None = None,
        host: str = "",
    ) -> ImportBarsResponse:
        """Store bars from elsewhere, in a dataset of their own: all of them, or none. Its source is "imported".

        Columns are found by their names, whatever their case: time (timestamp, date, datetime, or date and time
        apart), open, high, low, close (o, h, l, c); volume, wap (vwap) and count may be missing.

        Args:
            bars: Path of a CSV or Parquet file, an open binary file of CSV, a `pyarrow.Table`, `Bars`, or a DataFrame
                of pandas or polars.
            symbol: Symbol of a US stock or currency pair ("EUR.USD"), or an instrument.
            bar_size: "1d", "1h", "5min", …
            what_to_show: What the prices are: "trades", "midpoint", "bid", "ask" or "adjusted_last"; empty: midpoint
                for forex, else trades.
            use_rth: The bars are of regular trading hours only.
            replace: Drop the imported bars that are stored before.
            time_zone: IANA name of the zone of times that say none, and of the dates of daily bars; empty: UTC.
            time_format: How times are written, as `strptime` has it; empty: ISO 8601, or seconds since 1970.
            on_rows: Told how many bars are sent, and of how many.
            on_note: Told what was taken for granted, and what was left out.
            host: IB host to store them at; empty for the only one.

        Returns:
            The dataset now, how many bars came, and how many of them are new.

        Raises:
            InvalidArgument: These are no bars, or some are at fault; the message says which.
            Aborted: Somebody else writes to the dataset at the moment.
            ResourceExhausted: The disk of the host is full.
            MissingLibrary: pyarrow is not installed.
            ValueError: A text cannot be understood.
            OSError: The file cannot be read.
        """
        import_pyarrow()
        from ktrdr_client.bar_formats.instants import parse_zone  # noqa: PLC0415 - only those who import bars need it
        from ktrdr_client.bar_formats.tables import Reading  # noqa: PLC0415 - needs pyarrow, which not everybody has

        dates = is_daily_or_longer(parse_bar_size(bar_size))
        reading = Reading(dates, parse_zone(time_zone) if time_zone else None, time_format)
        key = dataset_key(symbol, bar_size, source="imported", what_to_show=what_to_show, use_rth=use_rth)
        read = await asyncio.to_thread(_read, bars, reading)
        if on_note is not None:
            for note in read.notes:
                on_note(note)
        requests = _requests(read.table, ImportBarsRequest(key=key, replace=replace), on_rows)
        stub, endpoint = await self._host(host)
        return await call_with_stream(stub.ImportBars, requests, endpoint=endpoint, timeout_seconds=STREAM_SECONDS)


def _read(bars: Any, reading: Any) -> Any:
    if isinstance(bars, str | PathLike):
        from ktrdr_client.bar_formats.reading import read_bars  # noqa: PLC0415 - needs pyarrow, which not everybody has

        return read_bars(Path(bars), reading)
    if isinstance(bars, io.BufferedIOBase | io.RawIOBase):
        from ktrdr_client.bar_formats.reading import read_csv  # noqa: PLC0415 - likewise

        return read_csv(str(getattr(bars, "name", "the file")), bars.read(), reading)
    from ktrdr_client.bar_formats.frames import bars_of_frame  # noqa: PLC0415 - likewise

    return bars_of_frame(bars, reading)


async def _requests(
    table: Any, first: ImportBarsRequest, on_rows: Callable[[int, int], None] | None
) -> AsyncIterator[ImportBarsRequest]:
    """Yield the messages of an import: the bytes of one Arrow stream, batch by batch."""
    pyarrow = import_pyarrow()
    message, sent, sink = first, 0, io.BytesIO()
    writer = pyarrow.ipc.new_stream(sink, table.schema)
    for batch in table.combine_chunks().to_batches(max_chunksize=_BATCH_ROWS):
        writer.write_batch(batch)
        message.arrow_ipc = _taken(sink)
        yield message
        sent += batch.num_rows
        if on_rows is not None:
            on_rows(sent, table.num_rows)
        message = ImportBarsRequest()
    writer.close()
    message.arrow_ipc = _taken(sink)
    yield message


def _taken(sink: io.BytesIO) -> bytes:
    content = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return content
