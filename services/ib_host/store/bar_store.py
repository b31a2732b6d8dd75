"""All datasets of a home."""

import errno
import glob
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path, PurePath
from typing import Final, NamedTuple

import pyarrow as pa
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import bars_pb2

from services.common.errors import ServiceError
from services.ib_host.store.commands import recovery
from services.ib_host.store.damage import LostSpan, find_damage, set_aside
from services.ib_host.store.identity import folder_of, symbol_folder, title_of
from services.ib_host.store.listing import place_of
from services.ib_host.store.lock import dataset_lock
from services.ib_host.store.manifest import NAME, Manifest
from services.ib_host.store.snapshot import Snapshot
from services.ib_host.store.writing import VersionWriter

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
        Files that are damaged are set aside: nothing of them is wanted any more.

        Args:
            key: complete.
            bars: ascending, one for each time, at least one.

        Raises:
            ServiceError: DATASET_BUSY, STORAGE_FULL.
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
        return Snapshot.open(folder, public_path=self._public(folder), advice=recovery(key))

    def find_damaged(self, key: bars_pb2.DatasetKey) -> Sequence[LostSpan]:
        """Read all files of a dataset, and return what `set_aside_damaged` would lose, ascending.

        Args:
            key: complete.

        Raises:
            ServiceError: DATASET_BUSY, STORAGE_FULL.
        """
        folder = self.folder(key)
        if not folder.exists():
            return []
        with self._locked(key):
            return find_damage(folder, self._writer(key), public_path=self._public(folder)).lost

    def set_aside_damaged(self, key: bars_pb2.DatasetKey) -> Sequence[LostSpan]:
        """Go on without the files of a dataset that are damaged, so that what they held can be loaded again.

        All files are read. The damaged ones stay beside the others, as *.damaged.

        Args:
            key: complete.

        Returns:
            What is lost, ascending: whoever knows these spans as loaded has to forget that, and best before this.

        Raises:
            ServiceError: DATASET_BUSY, STORAGE_FULL.
        """
        folder = self.folder(key)
        if not folder.exists():
            return []
        with self._locked(key):
            return set_aside(folder, self._writer(key), public_path=self._public(folder))

    def list_all(self) -> Listing:
        """Return all datasets; one that is damaged does not hide the others."""
        return self._listing("*")

    def find(self, instrument: bars_pb2.Instrument) -> Listing:
        """Return at least the datasets of an instrument, without looking at the others where its symbol says enough.

        Args:
            instrument: as it came in a request.
        """
        if instrument.symbol:
            found = self._listing(glob.escape(symbol_folder(instrument.symbol.upper())) + "*")
            if found.datasets or found.damaged:
                return found
        return self.list_all()

    def _listing(self, instruments: str) -> Listing:
        datasets: list[bars_pb2.Dataset] = []
        damaged: list[PurePath] = []
        for path in self._root.glob(f"*/{instruments}/*/{NAME}"):
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
        with self._locked(key):
            writer = self._writer(key)
            try:
                written = writer.write(bars, keep=keep)
            except ServiceError as error:
                if keep or error.reason != ErrorReason.ERROR_REASON_STORE_CORRUPT:
                    raise
                set_aside(folder, writer, public_path=self._public(folder))
                written = writer.write(bars, keep=keep)
        return MergeOutcome(written.manifest.describe(), written.new_rows)

    def _writer(self, key: bars_pb2.DatasetKey) -> VersionWriter:
        folder = self.folder(key)
        return VersionWriter(folder, key, public_path=self._public(folder))

    @contextmanager
    def _locked(self, key: bars_pb2.DatasetKey) -> Iterator[None]:
        folder = self.folder(key)
        with self._storage_errors(folder), dataset_lock(folder, title=title_of(key), timeout=self._lock_timeout):
            yield

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
