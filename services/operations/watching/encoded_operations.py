"""Operations as bytes, made once for all who are told of them at about the same time."""

from collections import OrderedDict
from typing import Final, NamedTuple

from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.clock import Clock
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import OperationState
from services.operations.presenter import Presenter

_FRESH_SECONDS: Final = 1.0
_MOST_BYTES: Final = 16 * 2**20


class _Entry(NamedTuple):
    revision: int
    told_at: float
    data: bytes


class EncodedOperations:
    """Encodes operations as messages of a watch with one operation each.

    Messages that are written one behind the other are one message: that is how protobuf merges fields.

    Args:
        presenter: Tells operations.
        clock: The time: ages and liveness are told anew after a second.
    """

    def __init__(self, presenter: Presenter, clock: Clock) -> None:
        self._presenter = presenter
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0

    def get(self, operation: LiveOperation | OperationState) -> bytes:
        """Return a serialized WatchOperationsResponse with nothing but this operation."""
        record, now = operation.record, self._clock.monotonic()
        entry = self._entries.get(record.id)
        if entry is None or entry.revision != record.revision or now - entry.told_at > _FRESH_SECONDS:
            told = self._presenter.present(operation)
            entry = _Entry(record.revision, now, pb.WatchOperationsResponse(operations=[told]).SerializeToString())
            self._keep(record.id, entry)
        return entry.data

    def _keep(self, operation_id: str, entry: _Entry) -> None:
        old = self._entries.pop(operation_id, None)
        self._bytes += len(entry.data) - (len(old.data) if old is not None else 0)
        self._entries[operation_id] = entry
        while self._bytes > _MOST_BYTES and self._entries:
            self._bytes -= len(self._entries.popitem(last=False)[1].data)
