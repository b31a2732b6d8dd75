"""Write bars as CSV or Parquet, batch by batch."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, BinaryIO, Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from ktrdr.ib.v1.bars_pb2 import Dataset

from ktrdr_client.bar_sizes import bar_size_name, is_daily_or_longer
from ktrdr_client.instruments import instrument_title
from ktrdr_client.states import source_name, what_to_show_name

_SECONDS: Final = pa.timestamp("s", "UTC")


class BatchWriter(Protocol):
    """Writes batches into an open file."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Write the next one."""

    def close(self) -> None:
        """Write what belongs at the end; the file stays open."""


def write_bars(
    batches: Iterable[pa.RecordBatch],
    sink: BinaryIO,
    file_format: str,
    dataset: Callable[[], Dataset],
    on_rows: Callable[[int], None],
) -> None:
    """Write batches of bars.

    Args:
        batches: With the columns of stored bars; taken one by one.
        sink: Open file.
        file_format: "csv" or "parquet".
        dataset: Returns what they are taken from; known once the first batch is.
        on_rows: Told how many are written, after each batch.
    """
    writer: BatchWriter | None = None
    rows = 0
    for batch in batches:
        if writer is None:
            writer = _Csv(sink, dataset()) if file_format == "csv" else _Parquet(sink, dataset(), batch.schema)
        writer.write(batch)
        rows += batch.num_rows
        on_rows(rows)
    if writer is not None:
        writer.close()


class _Csv:
    """Times are ISO 8601 in UTC; the dates of daily and longer bars are dates."""

    def __init__(self, sink: BinaryIO, dataset: Dataset) -> None:
        self._sink = sink
        self._dates = is_daily_or_longer(dataset.key.bar_size)
        self._titles = True

    def write(self, batch: pa.RecordBatch) -> None:
        table = pa.Table.from_batches([batch])
        index = table.column_names.index("time")
        table = table.set_column(index, "time", _time_texts(table.column("time"), dates=self._dates))
        options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
        if self._titles:
            self._sink.write((",".join(table.column_names) + "\n").encode())
            self._titles = False
        buffer = pa.BufferOutputStream()
        pyarrow.csv.write_csv(table, buffer, options)
        self._sink.write(buffer.getvalue().to_pybytes())

    def close(self) -> None:
        pass


class _Parquet:
    """What the bars are stands in the metadata of the schema, by names that begin with "ktrdr."."""

    def __init__(self, sink: BinaryIO, dataset: Dataset, schema: pa.Schema) -> None:
        key = dataset.key
        facts = {
            "ktrdr.symbol": instrument_title(key.instrument),
            "ktrdr.bar_size": bar_size_name(key.bar_size),
            "ktrdr.what_to_show": what_to_show_name(key.what_to_show),
            "ktrdr.use_rth": str(key.use_rth).lower(),
            "ktrdr.source": source_name(key.source),
            "ktrdr.fingerprint": dataset.fingerprint,
        }
        self._writer = pyarrow.parquet.ParquetWriter(
            sink, schema.with_metadata({**(schema.metadata or {}), **facts}), compression="zstd"
        )

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch.cast(self._writer.schema))

    def close(self) -> None:
        self._writer.close()


def _time_texts(times: pa.ChunkedArray, *, dates: bool) -> Any:
    if dates:
        return pc.strftime(times, format="%Y-%m-%d")
    with suppress(pa.ArrowInvalid):  # bars within a second: strftime writes their fractions
        times = times.cast(_SECONDS)
    return pc.strftime(times, format="%Y-%m-%dT%H:%M:%SZ")
