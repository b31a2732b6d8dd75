"""The file of a ledger: one JSON line for each entry, added and never changed.

A line is durable before the call that adds it returns. A line that a crash has cut off counts as not written: the next
one who adds takes it away first. Several processes may add: each takes the dataset's lock for the moment it needs.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, Final

from pydantic import TypeAdapter, ValidationError

from services.common.files import sync_folder, write_atomically
from services.ib_host.ledger.records import Entry
from services.ib_host.store.lock import dataset_lock

NAME: Final = "ledger.jsonl"

_ENTRIES: Final[TypeAdapter[Entry]] = TypeAdapter(Entry)
_TAIL: Final = 512
_BLOCK: Final = 4096


class LedgerFile:
    """The lines of a dataset's ledger. Every method blocks: call it in a thread.

    Args:
        folder: the dataset's folder; made when the first line is added.
        lock_timeout: how long to wait for another process that adds.
    """

    def __init__(self, folder: Path, *, lock_timeout: timedelta = timedelta(seconds=60)) -> None:
        self._folder = folder
        self._path = folder / NAME
        self._lock_timeout = lock_timeout
        self._inode = 0
        self._read = 0
        self._tail = b""

    def fresh(self) -> tuple[bool, list[Entry]]:
        """Return the entries that were added since the last look, and whether they stand for all: a new file.

        A line that is damaged is passed over: what it said is not known any more, and will be asked again.

        Raises:
            OSError: the file is there and can't be read.
        """
        try:
            with self._path.open("rb") as file:
                again = not self._continues(file)
                file.seek(self._read)
                content = file.read()
        except FileNotFoundError:
            gone = self._inode != 0
            self._inode, self._read, self._tail = 0, 0, b""
            return gone, []
        whole = content[: content.rfind(b"\n") + 1]
        self._read += len(whole)
        self._tail = (self._tail + whole)[-_TAIL:]
        return again, list(_entries(whole))

    def add(self, entries: Iterable[Entry]) -> None:
        """Add entries; durable on return. Call it with the lock.

        Raises:
            OSError: it can't be written.
        """
        created = not self._path.exists()
        with self._path.open("a+b") as file:
            _cut_torn_line(file.fileno())
            file.write(b"".join(map(_line, entries)))
            file.flush()
            os.fsync(file.fileno())
        if created:
            sync_folder(self._folder)

    def rewrite(self, entries: Iterable[Entry]) -> None:
        """Put a file with these entries in place of the one there is, at once. Call it with the lock.

        Raises:
            OSError: it can't be written; the old one stays.
        """
        write_atomically(self._path, b"".join(map(_line, entries)))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others from adding, and from writing bars.

        Raises:
            OSError: the folder can't be used.
            ServiceError: DATASET_BUSY: someone else writes the dataset for too long.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with dataset_lock(self._folder, title=self._folder.name, timeout=self._lock_timeout):
            yield

    def _continues(self, file: BinaryIO) -> bool:
        """Tell whether a file begins with what was read before; if not, begin anew."""
        status = os.fstat(file.fileno())
        if status.st_ino == self._inode and status.st_size >= self._read:
            file.seek(self._read - len(self._tail))
            # A file that was written anew may have got the number of one that is gone.
            if file.read(len(self._tail)) == self._tail:
                return True
        self._inode, self._read, self._tail = status.st_ino, 0, b""
        return False


def _entries(content: bytes) -> Iterator[Entry]:
    for line in content.splitlines():
        try:
            yield _ENTRIES.validate_json(line)
        except ValidationError:
            continue  # damaged: what it said is not known any more


def _line(entry: Entry) -> bytes:
    return entry.model_dump_json().encode() + b"\n"


def _cut_torn_line(descriptor: int) -> None:
    end = size = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - _BLOCK)
        block = os.pread(descriptor, end - start, start)
        at = block.rfind(b"\n")
        if at >= 0:
            end = start + at + 1
            break
        end = start
    if end < size:
        os.ftruncate(descriptor, end)
