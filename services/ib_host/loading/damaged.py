"""Files of a dataset that can't be read any more, in a load that asks for their bars again."""

import structlog
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.ledger.dataset_ledger import DatasetLedger
from services.ib_host.loading.repair import Repair
from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.identity import title_of

_LOG = structlog.get_logger(__name__)


def drop_damaged(store: BarStore, key: bars_pb2.DatasetKey) -> None:
    """Go on without the files of a dataset that are damaged: what they held counts as never asked for. Blocks.

    The same of a repair that is under way.

    Args:
        store: the bars.
        key: of the dataset, complete.

    Raises:
        ServiceError: DATASET_BUSY, STORAGE_FULL.
    """
    _drop_damaged(store, key)
    repair = Repair.pending(store, key)
    if repair is not None:
        _drop_damaged(repair.store, key)


def _drop_damaged(store: BarStore, key: bars_pb2.DatasetKey) -> None:
    for lost in store.set_aside_damaged(key):
        _LOG.warning("file_set_aside", dataset=title_of(key), file=lost.file)
        ledger = DatasetLedger.open(store.folder(key))
        ledger.invalidate(lost.start, lost.end, f"{lost.file} was damaged")
