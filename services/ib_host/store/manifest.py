"""The manifest of a dataset: which files are its current version."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, Self

from google.protobuf import json_format
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import bars_pb2
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from services.common.errors import ServiceError
from services.common.files import write_atomically

NAME: Final = "manifest.json"


class Part(BaseModel):
    """One file of a dataset: the bars of one period, ascending.

    Attributes:
        period: what the bars have in common, such as "2012"; parts are ascending by it.
        file: its name.
        rows: number of bars, at least 1.
        first, last: times of the first and the last bar, UTC.
        sha256: digest of the values.
        size_bytes: size of the file.
    """

    model_config = ConfigDict(frozen=True)

    period: str
    file: str = Field(pattern=r"^[\w.-]+\.parquet$")
    rows: int = Field(ge=1)
    first: AwareDatetime
    last: AwareDatetime
    sha256: str
    size_bytes: int


class Manifest(BaseModel):
    """Everything about a version of a dataset. Replaced atomically: readers see the old version or the new one.

    Attributes:
        layout: of this file and of the columns.
        version: counts from 1.
        key: the complete DatasetKey as protobuf JSON.
        time_zone: of the exchange, an IANA name; empty where it is not known. Times themselves are UTC.
        parts: the files, ascending.
        retired: files of the version before, kept until the next one for readers that are about to open them.
        update_time: when this version was made.
    """

    model_config = ConfigDict(frozen=True)

    layout: Literal[1] = 1
    version: int
    key: dict[str, Any]
    time_zone: str = ""
    parts: tuple[Part, ...]
    retired: tuple[str, ...] = ()
    update_time: AwareDatetime

    @classmethod
    def load(cls, folder: Path, *, public_path: str, advice: str = "") -> Self | None:
        """Read the manifest of a folder; None where there is none.

        Args:
            folder: the dataset's folder.
            public_path: how to name it in an error.
            advice: how to get the dataset again, for an error.

        Raises:
            ServiceError: STORE_CORRUPT.
        """
        try:
            manifest = cls.model_validate_json((folder / NAME).read_bytes())
            _ = manifest.dataset_key
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValidationError, json_format.ParseError) as error:
            raise corrupt(f"{public_path}/{NAME}", advice) from error
        return manifest

    def save(self, folder: Path) -> None:
        """Make this the version that readers see.

        Raises:
            OSError: it can't be written; the old version stays.
        """
        write_atomically(folder / NAME, self.model_dump_json(indent=1).encode() + b"\n")

    @property
    def dataset_key(self) -> bars_pb2.DatasetKey:
        """The dataset's key."""
        return json_format.ParseDict(self.key, bars_pb2.DatasetKey())

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the digests of the parts: it changes when any value of any bar changes."""
        return hashlib.sha256("".join(part.sha256 for part in self.parts).encode()).hexdigest()

    def part(self, period: str) -> Part | None:
        """Return the part of a period."""
        return next((part for part in self.parts if part.period == period), None)

    def describe(self) -> bars_pb2.Dataset:
        """Return the dataset as the contract has it."""
        dataset = bars_pb2.Dataset(
            key=self.dataset_key,
            rows=sum(part.rows for part in self.parts),
            fingerprint=self.fingerprint,
            size_bytes=sum(part.size_bytes for part in self.parts),
            version=self.version,
        )
        _set(dataset.update_time, self.update_time)
        _set(dataset.first_bar_time, self.parts[0].first)
        _set(dataset.last_bar_time, self.parts[-1].last)
        return dataset


def key_as_json(key: bars_pb2.DatasetKey) -> dict[str, Any]:
    """Return a key the way manifests keep it."""
    return json_format.MessageToDict(key)


def corrupt(public_path: str, detail: str = "") -> ServiceError:
    """Return the error for a file of the store that is damaged."""
    return ServiceError(ErrorReason.ERROR_REASON_STORE_CORRUPT, path=public_path, detail=detail)


def _set(timestamp: Any, instant: datetime) -> None:
    timestamp.FromDatetime(instant)
