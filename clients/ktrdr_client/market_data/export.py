"""Bars from the IB host into a file, which is in its place whole or not at all."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from ktrdr.ib.v1.bars_pb2 import SOURCE_REPLAY, Dataset

from ktrdr_client.errors import AlreadyExists, NotFound
from ktrdr_client.market_data.bar_stream import BarStream

FORMATS: Final = ("csv", "parquet")
_SUFFIXES: Final = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet"}


@dataclass(frozen=True)
class ExportedBars:
    """Bars that were written into a file."""

    dataset: Dataset
    """What they are taken from."""
    rows: int
    """How many there are."""
    first_time: datetime
    """Time of the first one, UTC."""
    last_time: datetime
    """Time of the last one, UTC."""

    @property
    def is_replay(self) -> bool:
        """They are recorded history from the replay gateway, not from a market."""
        return self.dataset.key.source == SOURCE_REPLAY


def format_of(path: Path, named: str | None) -> str:
    """Return the format of a file: the one that is named, or that of its suffix.

    Raises:
        ValueError: It is none, or the suffix says nothing.
    """
    if named is not None:
        if named not in FORMATS:
            message = f"{named!r} is no format; choose from {', '.join(FORMATS)}"
            raise ValueError(message)
        return named
    if path.suffix.lower() not in _SUFFIXES:
        message = f"the name {path.name!r} does not say what to write; end it in .csv or .parquet, or name the format"
        raise ValueError(message)
    return _SUFFIXES[path.suffix.lower()]


@contextlib.contextmanager
def new_file(path: Path, *, overwrite: bool) -> Iterator[BinaryIO]:
    """Open a file beside its place, and put it there when all went well; otherwise nothing is left of it.

    Raises:
        AlreadyExists: There is a file, perhaps since a moment ago, and it may not be overwritten.
        OSError: It cannot be written.
    """
    if not overwrite and path.exists():
        raise _exists(path)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            part.replace(path)
        else:
            _place(part, path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _place(part: Path, path: Path) -> None:
    """Let a file have its name, unless somebody else has taken it meanwhile."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise _exists(path) from None
    except OSError:
        part.replace(path)  # not every file system has links


def _exists(path: Path) -> AlreadyExists:
    return AlreadyExists(f"{path} exists; choose another name, or replace it (--force)")


async def write_stream(
    stream: BarStream, sink: BinaryIO, file_format: str, on_rows: Callable[[int], None] | None
) -> ExportedBars:
    """Write all bars of a stream; the file is written in a thread.

    Raises:
        NotFound: There are none.
        DataLoss: What arrives is no stream of bars.
        OSError: The file cannot be written.
    """
    writing = asyncio.ensure_future(asyncio.to_thread(_write, stream, sink, file_format, on_rows))
    try:
        return await asyncio.shield(writing)
    except asyncio.CancelledError:
        stream.stop()
        await asyncio.wait({writing})  # until then the thread writes into a file that is about to be closed
        if not writing.cancelled():
            writing.exception()
        raise


def _write(stream: BarStream, sink: BinaryIO, file_format: str, on_rows: Callable[[int], None] | None) -> ExportedBars:
    from ktrdr_client.bar_formats.writing import write_bars  # noqa: PLC0415 - needs pyarrow, which not everybody has

    first: datetime | None = None
    last: datetime | None = None
    rows = 0

    def seen() -> Iterator[Any]:
        nonlocal first, last
        for batch in stream.batches():
            if batch.num_rows:
                times = batch.column("time")
                first = first or times[0].as_py()
                last = times[batch.num_rows - 1].as_py()
                yield batch

    def count(written: int) -> None:
        nonlocal rows
        rows = written
        if on_rows is not None:
            on_rows(written)

    write_bars(seen(), sink, file_format, lambda: stream.dataset, count)
    if first is None or last is None:
        message = "there are no bars in this range; what is stored: ktrdr data list"
        raise NotFound(message)
    return ExportedBars(stream.dataset, rows, first.astimezone(UTC), last.astimezone(UTC))
