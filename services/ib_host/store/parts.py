"""Reading and writing the Parquet files of a dataset."""

import contextlib
import os
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from services.ib_host.bar_sizes import BarLength
from services.ib_host.store.columns import SCHEMA, digest, instant, times_of
from services.ib_host.store.manifest import Part, corrupt


def by_period(table: pa.Table, bar: BarLength) -> Iterator[tuple[str, pa.Table]]:
    """Split an ascending table into what is stored in one file each.

    A file is rewritten as a whole when bars come to it, so it holds a year of minutes and a month of seconds; of dated
    bars all.

    Yields:
        Period and bars, ascending.
    """
    if table.num_rows == 0:
        return
    if bar.dated:
        yield "all", table
        return
    unit, width = ("M", 7) if bar.length < timedelta(minutes=1) else ("Y", 4)
    periods = times_of(table).astype("datetime64[us]").astype(f"datetime64[{unit}]")
    borders = [0, *(np.flatnonzero(periods[1:] != periods[:-1]) + 1), len(periods)]
    for low, high in pairwise(borders):
        yield str(periods[low])[:width], table.slice(int(low), int(high - low))


def write_part(folder: Path, period: str, version: int, table: pa.Table) -> Part:
    """Write a file that no version refers to yet.

    Raises:
        OSError: it can't be written; nothing of it is left.
    """
    name = f"{period}-v{version}.parquet"
    temporary = folder / f".{name}.new"
    try:
        # Page checksums let a reader tell a damaged file from other prices.
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(folder / name)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    times = times_of(table)
    return Part(
        period=period,
        file=name,
        rows=table.num_rows,
        first=instant(int(times[0])),
        last=instant(int(times[-1])),
        sha256=digest(table),
        size_bytes=(folder / name).stat().st_size,
    )


def read_part(file: BinaryIO, part: Part, *, public_path: str) -> pa.Table:
    """Read a whole part.

    Args:
        file: open at its beginning; read from a second time only after rewinding.
        part: what the manifest says about it.
        public_path: how to name it in an error.

    Raises:
        ServiceError: STORE_CORRUPT: it is damaged, or not what the manifest says.
    """
    try:
        table = pq.read_table(file, schema=SCHEMA, page_checksum_verification=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise corrupt(public_path) from error
    if table.num_rows != part.rows:
        raise corrupt(public_path, f"It has {table.num_rows} bars instead of {part.rows}")
    return table
