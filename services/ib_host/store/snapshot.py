"""One version of a dataset, held open."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import pyarrow as pa
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.store.columns import COLUMNS, instant, times_of
from services.ib_host.store.commands import recovery
from services.ib_host.store.manifest import Manifest, Part, corrupt
from services.ib_host.store.parts import open_part, read_part


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

    def __init__(self, manifest: Manifest, files: Sequence[pa.NativeFile], public_path: str) -> None:
        self._manifest = manifest
        self._files = files
        self._public_path = public_path

    @classmethod
    def open(cls, folder: Path, *, public_path: str, advice: str = "") -> "Snapshot | None":
        """Open the current version of a folder's dataset; None where there is none.

        Args:
            folder: of the dataset.
            public_path: how to name it in errors.
            advice: how to get all of its bars again, for an error.

        Raises:
            ServiceError: STORE_CORRUPT: the manifest is damaged, or a file it names is missing.
        """
        looked_at: Manifest | None = None
        while True:
            manifest = Manifest.load(folder, public_path=public_path, advice=advice)
            if manifest is None:
                return None
            if manifest == looked_at:
                raise corrupt(public_path, f"A file that its manifest names is missing. {advice}".strip())
            with ExitStack() as opened:
                try:
                    files = [opened.enter_context(open_part(folder / part.file)) for part in manifest.parts]
                except FileNotFoundError:
                    looked_at = manifest  # two merges since it was read, however often that happens, or damage
                    continue
                opened.pop_all()
                return cls(manifest, files, public_path)

    @property
    def dataset(self) -> bars_pb2.Dataset:
        """The version as the contract has it."""
        return self._manifest.describe()

    def tables(
        self, start: datetime | None = None, end: datetime | None = None, *, columns: Sequence[str] = COLUMNS
    ) -> Iterator[pa.Table]:
        """Yield the bars with start <= time < end, ascending, at most 65,536 in a table; others are not read.

        Args:
            start: first instant, UTC; None from the beginning.
            end: UTC, exclusive; None to the end.
            columns: to read, in this order.

        Raises:
            ServiceError: STORE_CORRUPT.
        """
        for part, file in zip(self._manifest.parts, self._files, strict=True):
            if (start is None or part.last >= start) and (end is None or part.first < end):
                yield from read_part(
                    file,
                    part,
                    public_path=f"{self._public_path}/{part.file}",
                    advice=self._advice(part),
                    columns=columns,
                    start=start,
                    end=end,
                )

    def summary(self, start: datetime, end: datetime) -> RangeSummary:
        """Return what lies in [start, end).

        Raises:
            ServiceError: STORE_CORRUPT.
        """
        rows, first, last = 0, None, None
        for table in self.tables(start, end, columns=("time",)):
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

    def _advice(self, part: Part) -> str:
        return recovery(self._manifest.dataset_key, (part.first, part.last))
