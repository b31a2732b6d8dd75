"""Manifests: the file that says which files are the current version of a dataset."""

import hashlib
import json
import re
from datetime import datetime
from typing import Any, Final, NamedTuple

from google.protobuf import json_format
from ktrdr.ib.v1.bars_pb2 import Dataset, DatasetKey

from ktrdr_client.errors import DataLoss

NAME: Final = "manifest.json"
_LAYOUT: Final = 1
_FILE_NAME: Final = re.compile(r"[\w.-]+\.parquet")


class Part(NamedTuple):
    """One file of a version."""

    path: str
    """Of the file, as the file system has it."""
    rows: int
    """Number of its bars."""
    first: datetime
    """Time of the first bar, aware."""
    last: datetime
    """Time of the last bar, aware."""
    sha256: str
    """Digest of the values, which the file tells too."""


class Manifest(NamedTuple):
    """A version of a dataset."""

    path: str
    """Of the manifest."""
    dataset: Dataset
    """What it is, as an IB host would tell it."""
    parts: tuple[Part, ...]
    """Its files, ascending."""


def parse_manifest(content: bytes, path: str) -> Manifest:
    """Return what a manifest says.

    Args:
        content: Of the file.
        path: Of the file; those that it names lie beside it.

    Raises:
        DataLoss: It is none, or of a later layout.
    """
    try:
        record = json.loads(content)
        if record["layout"] != _LAYOUT:
            message = f"{path} has layout {record['layout']}, which this release does not know: install a newer one"
            raise DataLoss(message, reason="STORE_CORRUPT", metadata={"path": path})
        parts = tuple(_part(part, path.rpartition("/")[0]) for part in record["parts"])
        return Manifest(path, _dataset(record, parts), parts)
    except (ValueError, KeyError, TypeError, IndexError, json_format.ParseError) as error:
        message = (
            f"{path} cannot be read as the manifest of a dataset. Ask the IB host that writes it for these bars: its "
            "error has the command that gets them again"
        )
        raise DataLoss(message, reason="STORE_CORRUPT", metadata={"path": path}) from error


def _part(record: dict[str, Any], folder: str) -> Part:
    if not _FILE_NAME.fullmatch(record["file"]):
        raise ValueError(record["file"])
    return Part(
        f"{folder}/{record['file']}",
        int(record["rows"]),
        _instant(record["first"]),
        _instant(record["last"]),
        str(record["sha256"]),
    )


def _dataset(record: dict[str, Any], parts: tuple[Part, ...]) -> Dataset:
    dataset = Dataset(
        key=json_format.ParseDict(record["key"], DatasetKey()),
        rows=sum(part.rows for part in parts),
        fingerprint=hashlib.sha256("".join(part.sha256 for part in parts).encode()).hexdigest(),
        size_bytes=sum(int(part["size_bytes"]) for part in record["parts"]),
        version=int(record["version"]),
    )
    dataset.update_time.FromDatetime(_instant(record["update_time"]))
    dataset.first_bar_time.FromDatetime(parts[0].first)
    dataset.last_bar_time.FromDatetime(parts[-1].last)
    return dataset


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(text)
    return instant
