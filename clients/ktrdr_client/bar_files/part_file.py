"""One file of a dataset."""

from collections.abc import Mapping
from datetime import datetime
from importlib import import_module
from types import ModuleType
from typing import Any

from ktrdr_client.bar_files.manifest import Part
from ktrdr_client.bars import import_pyarrow
from ktrdr_client.errors import DataLoss, MissingLibrary


def bars_of(
    part: Part, contents: Mapping[str, bytes], columns: list[str], start: datetime | None, end: datetime | None
) -> Any:
    """Return the bars of a file within a range, as a `pyarrow.Table`.

    Args:
        part: What the manifest says about it.
        contents: Of some files by path, this one among them.
        columns: To read, "time" among them.
        start: First instant, UTC; None from the beginning.
        end: UTC, exclusive; None to the end.

    Raises:
        DataLoss: It is damaged, or another file than the manifest names.
    """
    pyarrow = import_pyarrow()
    parquet = import_optional("pyarrow.parquet", "")
    compute = import_optional("pyarrow.compute", "")
    # File systems name the same file with or without the root's first slash.
    content = next(value for path, value in contents.items() if path.strip("/") == part.path.strip("/"))
    try:
        with parquet.ParquetFile(pyarrow.BufferReader(content), page_checksum_verification=True) as file:
            told = (file.metadata.metadata or {}).get(b"ktrdr.sha256", part.sha256.encode())
            if file.metadata.num_rows != part.rows or told != part.sha256.encode():
                message = f"{part.path} is another file than its manifest names"
                raise DataLoss(message, reason="STORE_CORRUPT", metadata={"path": part.path})
            table = file.read(columns=columns).replace_schema_metadata(None)
    except (pyarrow.ArrowException, OSError) as error:
        message = f"{part.path} is damaged: {error}"
        raise DataLoss(message, reason="STORE_CORRUPT", metadata={"path": part.path}) from error
    times = table.column("time")
    if start is not None and part.first < start:
        table = table.filter(compute.greater_equal(times, pyarrow.scalar(start, times.type)))
        times = table.column("time")
    if end is not None and part.last >= end:
        table = table.filter(compute.less(times, pyarrow.scalar(end, times.type)))
    return table.select(columns)


def import_optional(name: str, message: str = "") -> ModuleType:
    """Return a module that not everybody has installed.

    Args:
        name: Of the module.
        message: For people, where it is not there.

    Raises:
        MissingLibrary: It is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingLibrary(message or f"{name} is not installed") from error
