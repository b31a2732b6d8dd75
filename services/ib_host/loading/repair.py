"""A dataset that is loaded anew because a split has changed all of its prices.

The new bars come together in a store of their own, in the folder "repair" of the dataset. Readers see the old version
until there are new bars for all of it; then one version takes the place of the other. A load that is killed meanwhile,
or fails to get some of the bars, leaves the folder, and the next load goes on with it.
"""

import shutil
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
from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.columns import SCHEMA, merge, times_of

_LOG = structlog.get_logger(__name__)
_FOLDER: Final = "repair"
_MARK: Final = "revision.json"
_PRICES: Final = frozenset({"open", "high", "low", "close", "wap"})


class Repair:
    """The new version of a dataset, while it is made. Every method blocks: call it in a thread.

    Args:
        store: of the dataset.
        key: of the dataset.
        revision: why it is made.
    """

    def __init__(self, store: BarStore, key: bars_pb2.DatasetKey, revision: bars_pb2.Revision) -> None:
        self._main = store
        self._key = key
        self._folder = store.folder(key) / _FOLDER
        self.revision = revision
        self.store = BarStore(self._folder)
        self.ledger = DatasetLedger.open(self.store.folder(key))

    @classmethod
    def pending(cls, store: BarStore, key: bars_pb2.DatasetKey) -> "Repair | None":
        """Return the repair that an earlier load has begun; None where there is none."""
        mark = store.folder(key) / _FOLDER / _MARK
        try:
            revision = json_format.Parse(mark.read_bytes(), bars_pb2.Revision())
        except FileNotFoundError:
            return None
        except json_format.ParseError:
            _LOG.warning("repair_unreadable", dataset=store.folder(key).name)
            revision = bars_pb2.Revision()
        return cls(store, key, revision)

    @classmethod
    def begin(cls, store: BarStore, key: bars_pb2.DatasetKey, revision: bars_pb2.Revision) -> "Repair":
        """Begin to make a new version. One that was begun before is dropped: its bars are of before the revision.

        Raises:
            OSError: the folder can't be used.
        """
        folder = store.folder(key) / _FOLDER
        _remove(folder)
        folder.mkdir(parents=True)
        write_atomically(folder / _MARK, json_format.MessageToJson(revision, indent=None).encode())
        return cls(store, key, revision)

    def publish(self) -> int:
        """Make it the version that readers see, with all that is known of it, and return how many bars it has.

        Old bars that the gateway does not have any more are kept, at prices of today: with the revision's ratio.

        Raises:
            ServiceError: as BarStore.replace.
            OSError: what is known of it can't be written.
        """
        new = _bars(self.store, self._key)
        old = _bars(self._main, self._key)
        kept = _not_in(old, new)
        if kept.num_rows:
            _LOG.info("bars_kept_at_new_prices", bars=kept.num_rows, ratio=self.revision.price_ratio)
        table = merge(_at_new_prices(kept, self.revision), new).table
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


def _at_new_prices(bars: pa.Table, revision: bars_pb2.Revision) -> pa.Table:
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
