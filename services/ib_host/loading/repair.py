"""A dataset that is loaded anew because a split has changed all of its prices.

The new bars come together in a store of their own, in the folder "repair" of the dataset. Readers see the old version
until there are new bars for all of it; then one version takes the place of the other. A load that is killed meanwhile,
or fails to get some of the bars, leaves the folder, and the next load goes on with it.
"""

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import structlog
from google.protobuf import json_format
from ktrdr.ib.v1 import bars_pb2

from services.common.files import sync_folder, write_atomically
from services.ib_host.ledger.dataset_ledger import DatasetLedger
from services.ib_host.revisions.log import RevisionLog
from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.columns import SCHEMA, times_of

_LOG = structlog.get_logger(__name__)
_FOLDER: Final = "repair"
_MARK: Final = "revision.json"
_PRICES: Final = frozenset({"open", "high", "low", "close", "wap"})


class Repair:
    """The new version of a dataset, while it is made. Every method blocks: call it in a thread.

    Args:
        store: of the dataset.
        key: of the dataset.
        revisions: why it is made: all that lie between the version that readers see and the gateway's, in their order.
    """

    def __init__(self, store: BarStore, key: bars_pb2.DatasetKey, revisions: Sequence[bars_pb2.Revision]) -> None:
        self._main = store
        self._key = key
        self._folder = store.folder(key) / _FOLDER
        self.revisions = revisions
        self.store = BarStore(self._folder)
        self.ledger = DatasetLedger.open(self.store.folder(key))

    @classmethod
    def pending(cls, store: BarStore, key: bars_pb2.DatasetKey) -> "Repair | None":
        """Return the repair that an earlier load has begun; None where there is none."""
        mark = store.folder(key) / _FOLDER / _MARK
        try:
            lines = mark.read_bytes().splitlines()
            revisions = [json_format.Parse(line, bars_pb2.Revision()) for line in lines]
        except FileNotFoundError:
            return None
        except json_format.ParseError:
            _LOG.warning("repair_unreadable", dataset=store.folder(key).name)
            revisions = RevisionLog.open(store.folder(key)).newest(1)
        return cls(store, key, revisions or [bars_pb2.Revision()])

    @classmethod
    def begin(
        cls,
        store: BarStore,
        key: bars_pb2.DatasetKey,
        revision: bars_pb2.Revision,
        *,
        instead_of: "Repair | None" = None,
    ) -> "Repair":
        """Begin to make a new version.

        Args:
            store: of the dataset.
            key: of the dataset.
            revision: why.
            instead_of: the repair that was under way; it is dropped, as its bars are of before the revision.

        Raises:
            ServiceError: STORE_CORRUPT.
            OSError: the folder can't be used.
        """
        before = instead_of.revisions if instead_of is not None and not instead_of.published else ()
        folder = store.folder(key) / _FOLDER
        _remove(folder)
        folder.mkdir(parents=True)
        revisions = [*before, revision]
        lines = [json_format.MessageToJson(each, indent=None) for each in revisions]
        write_atomically(folder / _MARK, "\n".join(lines).encode())
        return cls(store, key, revisions)

    @property
    def revision(self) -> bars_pb2.Revision:
        """The latest reason for it."""
        return self.revisions[-1]

    @property
    def published(self) -> bool:
        """Whether readers see the new version: whoever published it was killed before the folder was gone."""
        new, seen = self.store.open(self._key), self._main.open(self._key)
        with ExitStack() as opened:
            versions = [opened.enter_context(version).dataset for version in (new, seen) if version is not None]
        return len(versions) == 2 and versions[0].fingerprint == versions[1].fingerprint

    def publish(self) -> int:
        """Make it the version that readers see, with all that is known of it, and return how many bars it has.

        Old bars that the gateway does not have any more are kept, at prices of today: with the revisions' ratios. They
        join the new ones before these are seen, so that a publication that is killed anywhere can begin again.

        Raises:
            ServiceError: as BarStore.replace.
            OSError: what is known of it can't be written.
        """
        kept = _not_in(_bars(self._main, self._key), _bars(self.store, self._key))
        if kept.num_rows:
            ratios = [revision.price_ratio for revision in self.revisions]
            _LOG.info("bars_kept_at_new_prices", bars=kept.num_rows, ratios=ratios)
            for revision in self.revisions:
                kept = at_new_prices(kept, revision)
            self.store.merge(self._key, kept)
        table = _bars(self.store, self._key)
        if table.num_rows:
            self._main.replace(self._key, table)
        ledger = DatasetLedger.open(self._main.folder(self._key))
        ledger.add_all(self.ledger.all_records())
        _remove(self._folder)
        return int(table.num_rows)

    def covers(self, start: datetime, end: datetime) -> bool:
        """Tell whether all of [start, end) has been asked for anew."""
        return not self.ledger.unknown(start, end)


def _bars(store: BarStore, key: bars_pb2.DatasetKey) -> pa.Table:
    snapshot = store.open(key)
    if snapshot is None:
        return SCHEMA.empty_table()
    with snapshot:
        return pa.concat_tables([SCHEMA.empty_table(), *snapshot.tables()])


def _not_in(old: pa.Table, new: pa.Table) -> pa.Table:
    return old.filter(pa.array(~np.isin(times_of(old), times_of(new))))


def at_new_prices(bars: pa.Table, revision: bars_pb2.Revision) -> pa.Table:
    """Return bars of before a revision as they are after it, by its ratio. Prices below 0 stand for none.

    Args:
        bars: with the columns of the store.
        revision: of all prices; one that is no split leaves volumes as they are.
    """
    ratio = revision.price_ratio or 1.0
    shares = 1.0 / ratio if revision.kind == bars_pb2.Revision.KIND_SPLIT else 1.0
    columns = []
    for field in SCHEMA:
        values = bars.column(field.name)
        if field.name in _PRICES:
            numbers = values.to_numpy()
            values = pa.array(np.where(numbers < 0, numbers, numbers * ratio))
        elif field.name == "volume":
            numbers = values.to_numpy()
            values = pa.array(np.where(numbers < 0, numbers, numbers * shares))
        columns.append(values)
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _remove(folder: Path) -> None:
    if folder.exists():
        (folder / _MARK).unlink(missing_ok=True)
        sync_folder(folder)
        shutil.rmtree(folder)
        sync_folder(folder.parent)
