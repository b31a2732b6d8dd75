"""Which chunks of a load are done, so that a load that goes on asks for none of them again.

One JSON line for each chunk: a line is added, and made durable, after the chunk's bars are. A line that a crash has cut
off counts as not written.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

NAME = "ledger.jsonl"


class ChunkRecord(BaseModel):
    """A chunk that is over.

    Attributes:
        key: of the instrument and chunk.
        outcome: done with bars, or without: the gateway has none.
        received: bars that the gateway sent for it.
        new: of these, bars that were not stored before.
        source: "SOURCE_IB" or "SOURCE_REPLAY".
    """

    model_config = ConfigDict(frozen=True)

    key: str
    outcome: Literal["done", "empty"]
    received: int
    new: int
    source: str


class Ledger:
    """The chunks of a load that are over. Reading and adding block: call them in a thread.

    Args:
        path: the file; made when the first chunk is added.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._records: dict[str, ChunkRecord] = {}

    @classmethod
    def open(cls, path: Path) -> "Ledger":
        """Read what an earlier life of the load has done."""
        ledger = cls(path)
        if path.exists():
            content = path.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            if len(whole) < len(content):
                os.truncate(path, len(whole))
            for line in whole.splitlines():
                try:
                    record = ChunkRecord.model_validate_json(line)
                except ValidationError:
                    continue  # not ours, or damaged: the chunk is asked for again
                ledger._records[record.key] = record
        return ledger

    def __contains__(self, key: str) -> bool:
        return key in self._records

    def add(self, record: ChunkRecord) -> None:
        """Count a chunk as over; durable on return.

        Raises:
            OSError: it can't be written.
        """
        with self._path.open("ab") as file:
            file.write(record.model_dump_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._records[record.key] = record

    def records(self, keys: Iterable[str]) -> list[ChunkRecord]:
        """Return the records of those chunks that are over."""
        return [self._records[key] for key in keys if key in self._records]

    @property
    def sources(self) -> set[str]:
        """Where the bars came from; a load has one source."""
        return {record.source for record in self._records.values()}
