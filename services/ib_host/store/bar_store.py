"""All datasets of a home."""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath
from typing import Final, NamedTuple

import pyarrow as pa
from filelock import FileLock, Timeout
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import bars_pb2

from services.common.errors import ServiceError
from services.common.files import sync_folder
from services.ib_host.store.columns import SCHEMA, merge
from services.ib_host.store.identity import bar_length, folder_of, title_of
from services.ib_host.store.listing import place_of
from services.ib_host.store.manifest import NAME, Manifest, Part, key_as_json
from services.ib_host.store.parts import by_period, read_part, write_part
from services.ib_host.store.snapshot import Snapshot

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG})


class MergeOutcome(NamedTuple):
    """What a merge did.

    Attributes:
        dataset: the dataset after it.
        new_rows: bars that were not there before.
    """

    dataset: bars_pb2.Dataset
    new_rows: int


class Listing(NamedTuple):
    """The datasets of a home.

    Attributes:
        datasets: ordered by symbol, contract, bar size and the rest of the key.
        damaged: folders, relative to the home, whose manifest can't be read.
    """

    datasets: Sequence[bars_pb2.Dataset]
    damaged: Sequence[PurePath]


class BarStore:
    """Stores bars under a home folder. Every method blocks: call it in a thread.

    Several processes may use the store at once. A merge never drops a bar, and a reader never sees half of one.

    Args:
        home: the KTRDR home; the bars lie in its folder data/bars.
        lock_timeout: how long to wait for another writer of the same dataset.
    """

    def __init__(self, home: Path, *, lock_timeout: timedelta = timedelta(seconds=60)) -> None:
        self._home = home
        self._root = home / "data" / "bars"
        self._lock_timeout = lock_timeout

    def merge(self, key: bars_pb2.DatasetKey, bars: pa.Table) -> MergeOutcome:
        """Add bars to a dataset, making it if need be; bars that differ from stored ones replace them.

        On return they are on disk, and every reader that begins now sees them.

        Args:
            key: complete.
            bars: ascending, at least one.

        Raises:
            ServiceError: DATASET_BUSY, STORE_CORRUPT, STORAGE_FULL.
        """
        return self._write(key, bars, keep=True)

    def replace(self, key: bars_pb2.DatasetKey, bars: pa.Table) -> MergeOutcome:
        """Make these all the bars of a dataset: what else it has is dropped, in the same instant for every reader.

        For bars that are only right together, such as those adjusted for dividends. The same bars make no new version.

        Args:
            key: complete.
            bars: ascending, one for each time, at least one.

        Raises:
            ServiceError: as `merge`.
        """
        return self._write(key, bars, keep=False)

    def folder(self, key: bars_pb2.DatasetKey) -> Path:
        """Return the folder of a dataset, whether or not it is there: other records about it lie beside its bars.

        Args:
            key: complete.
        """
        return self._root / folder_of(key)

    def open(self, key: bars_pb2.DatasetKey) -> Snapshot | None:
        """Open the current version of a dataset; None where there is none.

        Args:
            key: complete.

        Raises:
            ServiceError: STORE_CORRUPT.
        """
        folder = self.folder(key)
        return Snapshot.open(folder, public_path=self._public(folder))

    def list_all(self) -> Listing:
        """Return all datasets; one that is damaged does not hide the others."""
        datasets: list[bars_pb2.Dataset] = []
        damaged: list[PurePath] = []
        for path in self._root.glob(f"*/*/*/{NAME}"):
            try:
                manifest = Manifest.load(path.parent, public_path=self._public(path.parent))
            except ServiceError:
                damaged.append(path.parent.relative_to(self._home))
            else:
                if manifest is not None:
                    datasets.append(manifest.describe())
        return Listing(sorted(datasets, key=place_of), sorted(damaged))

    def _write(self, key: bars_pb2.DatasetKey, bars: pa.Table, *, keep: bool) -> MergeOutcome:
        folder = self.folder(key)
        with self._storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with self._locked(folder, key):
                return self._write_locked(folder, key, bars, keep=keep)

    def _write_locked(self, folder: Path, key: bars_pb2.DatasetKey, bars: pa.Table, *, keep: bool) -> MergeOutcome:
        public_path = self._public(folder)
        old = Manifest.load(folder, public_path=public_path)
        version = old.version + 1 if old else 1
        before = {part.period: part for part in old.parts} if old else {}
        parts = dict(before) if keep else {}
        new_rows = 0
        for period, table in by_period(bars, bar_length(key)):
            stored = self._stored(folder, before.get(period))
            merged = merge(stored, table)
            new_rows += merged.new_rows
            content = merged.table if keep else table
            known = before.get(period)
            parts[period] = known if known and content.equals(stored) else write_part(folder, period, version, content)
        kept = tuple(parts[period] for period in sorted(parts))
        if old is not None and kept == old.parts:
            return MergeOutcome(old.describe(), new_rows)
        current = {part.file for part in kept}
        manifest = Manifest(
            version=version,
            key=key_as_json(key),
            parts=kept,
            retired=tuple(part.file for part in old.parts if part.file not in current) if old else (),
            update_time=datetime.now(UTC),
        )
        sync_folder(folder)
        manifest.save(folder)
        _remove_unused(folder, current.union(manifest.retired))
        return MergeOutcome(manifest.describe(), new_rows)

    def _stored(self, folder: Path, part: Part | None) -> pa.Table:
        if part is None:
            return SCHEMA.empty_table()
        with (folder / part.file).open("rb") as file:
            return read_part(file, part, public_path=f"{self._public(folder)}/{part.file}")

    @contextmanager
    def _locked(self, folder: Path, key: bars_pb2.DatasetKey) -> Iterator[None]:
        lock = FileLock(folder / "lock")
        try:
            lock.acquire(timeout=self._lock_timeout.total_seconds())
        except Timeout as error:
            raise ServiceError(
                ErrorReason.ERROR_REASON_DATASET_BUSY, dataset=title_of(key), retry_after=timedelta(seconds=5)
            ) from error
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _storage_errors(self, folder: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _FULL:
                raise
            reason = ErrorReason.ERROR_REASON_STORAGE_FULL
            raise ServiceError(reason, path=self._public(folder), detail=error.strerror or "") from error

    def _public(self, folder: Path) -> str:
        return folder.relative_to(self._home).as_posix()


def _remove_unused(folder: Path, used: set[str]) -> None:
    """Remove what no version needs: retired files of older versions, and what a crash left behind."""
    for path in folder.iterdir():
        if path.name not in used and (path.suffix == ".parquet" or path.name.endswith(".parquet.new")):
            path.unlink(missing_ok=True)
