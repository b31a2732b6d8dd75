"""What a load has done so far, so that its counts go on where an earlier life of it stopped.

One JSON line for each chunk, added after the chunk's bars are stored. A line that a crash has cut off counts as not
written. What is known of the dataset itself is in the dataset's own ledger (ledger/).
"""

import os
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

NAME: Final = "ledger.jsonl"


class ChunkRecord(BaseModel):
    """A chunk that is over.

    Attributes:
        instrument: its number in the load, from 0 on.
        chunk: the chunk's key.
        outcome: done with bars, or without: the gateway has none.
        received: bars that the gateway sent for it.
        new: of these, bars that were not stored before.
        source: "SOURCE_IB" or "SOURCE_REPLAY".
    """

    model_config = ConfigDict(frozen=True)

    instrument: int
    chunk: str
    outcome: Literal["done", "empty"]
    received: int
    new: int
    source: str


class SessionLedger:
    """The chunks of a load that are over. Reading and adding block: call them in a thread.

    Args:
        path: the file; made when the first chunk is added.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._records: dict[tuple[int, str], ChunkRecord] = {}

    @classmethod
    def open(cls, folder: Path) -> "SessionLedger":
        """Read what an earlier life of a session has done."""
        ledger = cls(folder / NAME)
        if ledger._path.exists():
            content = ledger._path.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            if len(whole) < len(content):
                os.truncate(ledger._path, len(whole))
            for line in whole.splitlines():
                try:
                    ledger._take(ChunkRecord.model_validate_json(line))
                except ValidationError:
                    continue  # not ours, or damaged: the chunk does not count
        return ledger

    def add(self, record: ChunkRecord) -> None:
        """Count a chunk as over; durable on return.

        Raises:
            OSError: it can't be written.
        """
        with self._path.open("ab") as file:
            file.write(record.model_dump_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._take(record)

    def records(self, instrument: int) -> list[ChunkRecord]:
        """Return the chunks of an instrument that are over."""
        return [record for record in self._records.values() if record.instrument == instrument]

    @property
    def all_records(self) -> list[ChunkRecord]:
        """All chunks that are over."""
        return list(self._records.values())

    @property
    def sources(self) -> set[str]:
        """Where the bars came from; a load has one source."""
        return {record.source for record in self._records.values()}

    def _take(self, record: ChunkRecord) -> None:
        # A chunk that had to be asked for again brings what is new twice, and is still one chunk.
        before = self._records.get((record.instrument, record.chunk))
        new = record.new + (before.new if before else 0)
        self._records[record.instrument, record.chunk] = record.model_copy(update={"new": new})
