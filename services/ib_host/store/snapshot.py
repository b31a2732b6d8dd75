"""One version of a dataset, held open."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

import pyarrow as pa
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.store.columns import between, instant, times_of
from services.ib_host.store.manifest import Manifest, Part, corrupt
from services.ib_host.store.parts import read_part

_TRIES = 5


class RangeSummary(NamedTuple):
    """The bars of a dataset within a range.

    Attributes:
        rows: how many.
        first, last: times of the first and last, UTC; None where there are none.
    """

    rows: int
    first: datetime | None
    last: datetime | None


class Snapshot:
    """A version of a dataset that stays readable whatever is merged meanwhile: its files are open.

    Args:
        manifest: the version.
        files: its files, open, in the order of the manifest's parts.
        public_path: name of the folder in errors.
    """

    def __init__(self, manifest: Manifest, files: Sequence[BinaryIO], public_path: str) -> None:
        self._manifest = manifest
        self._files = files
        self._public_path = public_path

    @classmethod
    def open(cls, folder: Path, *, public_path: str) -> "Snapshot | None":
        """Open the current version of a folder's dataset; None where there is none.

        Raises:
            ServiceError: STORE_CORRUPT: the manifest is damaged, or a file it names is missing.
        """
        for _ in range(_TRIES):
            manifest = Manifest.load(folder, public_path=public_path)
            if manifest is None:
                return None
            with ExitStack() as opened:
                try:
                    files = [opened.enter_context((folder / part.file).open("rb")) for part in manifest.parts]
                except FileNotFoundError:
                    continue  # two merges since the manifest was read: look again
                opened.pop_all()
                return cls(manifest, files, public_path)
        raise corrupt(public_path, "A file that its manifest names is missing")

    @property
    def dataset(self) -> bars_pb2.Dataset:
        """The version as the contract has it."""
        return self._manifest.describe()

    def tables(self, start: datetime | None = None, end: datetime | None = None) -> Iterator[pa.Table]:
        """Yield the bars with start <= time < end, ascending, part by part.

        Raises:
            ServiceError: STORE_CORRUPT.
        """
        for part, file in zip(self._manifest.parts, self._files, strict=True):
            if (start is None or part.last >= start) and (end is None or part.first < end):
                table = between(self._read(part, file), start, end)
                if table.num_rows:
                    yield table

    def summary(self, start: datetime, end: datetime) -> RangeSummary:
        """Return what lies in [start, end).

        Raises:
            ServiceError: STORE_CORRUPT.
        """
        rows, first, last = 0, None, None
        for table in self.tables(start, end):
            times = times_of(table)
            rows += len(times)
            first = first or instant(int(times[0]))
            last = instant(int(times[-1]))
        return RangeSummary(rows, first, last)

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, part: Part, file: BinaryIO) -> pa.Table:
        file.seek(0)
        return read_part(file, part, public_path=f"{self._public_path}/{part.file}")
