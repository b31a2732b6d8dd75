"""Files of a dataset that can't be read any more, in a load that asks for their bars again."""

from collections.abc import Sequence

import structlog
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.ledger.dataset_ledger import DatasetLedger
from services.ib_host.loading.repair import Repair
from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.damage import LostSpan
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
    found = store.find_damaged(key)
    if not found:
        return
    # The ledger first: whoever is killed in between leaves a damaged file that is told, and not a hole that nobody asks
    # for any more.
    _forget(store, key, found)
    lost = store.set_aside_damaged(key)
    _forget(store, key, [span for span in lost if span not in found])
    for span in lost:
        _LOG.warning("file_set_aside", dataset=title_of(key), file=span.file)


def _forget(store: BarStore, key: bars_pb2.DatasetKey, spans: Sequence[LostSpan]) -> None:
    ledger = DatasetLedger.open(store.folder(key))
    for span in spans:
        ledger.invalidate(span.start, span.end, f"{span.file} was damaged")
