"""Reading and writing the Parquet files of a dataset."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from services.ib_host.bar_sizes import BarLength
from services.ib_host.store.columns import COLUMNS, SCHEMA, between, digest, instant, microseconds, times_of
from services.ib_host.store.manifest import Part, corrupt

ROW_GROUP_ROWS: Final = 65_536
"""4 MiB of bars: what a reader holds of a file at a time, and skips where it wants others."""
WHOLE: Final = "all"
"""The period of the one file that all dated bars were in before they were stored by year."""

_DIGEST: Final = "ktrdr.sha256"


def by_period(table: pa.Table, bar: BarLength) -> Iterator[tuple[str, pa.Table]]:
    """Split an ascending table into what is stored in one file each.

    A file holds a year; of bars shorter than a minute a month. A merge rewrites the files that it touches: a year of
    seconds has six million bars, and would be rewritten for each half hour that a load brings.

    Yields:
        Period ("2012", "2012-03") and bars, ascending.
    """
    if table.num_rows == 0:
        return
    unit, width = ("M", 7) if bar.length < timedelta(minutes=1) else ("Y", 4)
    periods = times_of(table).astype("datetime64[us]").astype(f"datetime64[{unit}]")
    borders = [0, *(np.flatnonzero(periods[1:] != periods[:-1]) + 1), len(periods)]
    for low, high in pairwise(borders):
        yield str(periods[low])[:width], table.slice(int(low), int(high - low))


def write_part(
    folder: Path, period: str, version: int, table: pa.Table, *, about: Mapping[str, str] | None = None
) -> Part:
    """Write a file that no version refers to yet.

    Args:
        folder: of the dataset.
        period: of the bars.
        version: that it will belong to.
        table: the bars, ascending.
        about: what to say of the dataset within the file, for readers of the file alone.

    Raises:
        OSError: it can't be written; nothing of it is left.
    """
    name = f"{period}-v{version}.parquet"
    temporary = folder / f".{name}.new"
    sha256 = digest(table)
    try:
        pq.write_table(
            table.replace_schema_metadata({**(about or {}), _DIGEST: sha256}),
            temporary,
            compression="zstd",
            row_group_size=ROW_GROUP_ROWS,
            # Checksums let a reader tell a damaged file from other prices.
            write_page_checksum=True,
        )
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
        sha256=sha256,
        size_bytes=(folder / name).stat().st_size,
    )


def open_part(path: Path) -> pa.NativeFile:
    """Open a file for `read_part`: it stays readable even when it is removed, and for several readers at once.

    Raises:
        FileNotFoundError: it is not there.
    """
    return pa.OSFile(os.fspath(path), "rb")


def read_part(
    file: pa.NativeFile,
    part: Part,
    *,
    public_path: str,
    advice: str = "",
    columns: Sequence[str] = COLUMNS,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Iterator[pa.Table]:
    """Yield the bars of a part with start <= time < end, ascending, some 65,536 at a time.

    Args:
        file: open.
        part: what the manifest says about it.
        public_path: how to name it in an error.
        advice: how to get its bars again, for an error.
        columns: to read, in this order.
        start: first instant, UTC; None from the beginning.
        end: UTC, exclusive; None to the end.

    Raises:
        ServiceError: STORE_CORRUPT: it is damaged, or not what the manifest says.
    """
    try:
        with pq.ParquetFile(file, page_checksum_verification=True) as parquet:
            if parquet.metadata.num_rows != part.rows:
                stands = f"It has {parquet.metadata.num_rows} bars instead of {part.rows}."
                raise corrupt(public_path, f"{stands} {advice}".strip())
            # Files of earlier releases do not tell their digest.
            if (parquet.metadata.metadata or {}).get(_DIGEST.encode(), part.sha256.encode()) != part.sha256.encode():
                raise corrupt(public_path, f"It is another file than the manifest names. {advice}".strip())
            if not parquet.schema_arrow.equals(SCHEMA):
                raise corrupt(public_path, f"It has other columns than bars have. {advice}".strip())
            wanted = list(dict.fromkeys(["time", *columns]))
            for number in range(parquet.num_row_groups):
                if not _holds(parquet.metadata.row_group(number).column(0).statistics, start, end):
                    continue
                table = parquet.read_row_group(number, columns=wanted, use_threads=True)
                table = between(table.replace_schema_metadata(None), start, end)
                if table.num_rows:
                    yield table.select(columns)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise corrupt(public_path, advice) from error


def whole_part(file: pa.NativeFile, part: Part, *, public_path: str, advice: str = "") -> pa.Table:
    """Return all bars of a part.

    Raises:
        ServiceError: as `read_part`.
    """
    return pa.concat_tables(read_part(file, part, public_path=public_path, advice=advice)).combine_chunks()


def _holds(times: Any, start: datetime | None, end: datetime | None) -> bool:
    """Tell whether a group of rows may have bars of a range. The statistics are of the column of times, if any."""
    if times is None or not times.has_min_max:
        return True
    # The raw values are those of the file; the others are made with pandas, which takes half a second to import.
    first, last = times.min_raw, times.max_raw
    return (start is None or last >= microseconds(start)) and (end is None or first < microseconds(end))
