"""Tell, with each dataset that an operation read, which loads had left it as it was then."""

import asyncio
from collections.abc import Mapping, Sequence

import structlog
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.errors import ServiceError
from services.operations.amendment.amendment import Amendment
from services.operations.lineage.datasets import datasets_left, datasets_read
from services.operations.lineage.lineage_reader import LineageReader
from services.operations.live_operation import Change, LiveOperation
from services.operations.operation_state import OperationState
from services.operations.registry import Registry


class Lineage:
    """Links operations with the loads that brought what they read.

    An operation is looked at when its host tells what it reads, and once more when it ends. Hosts are heard in any
    order, so a load may be told of after an operation that read what it had left: when a load ends, those that read its
    datasets and know of no load yet are looked at again.

    Args:
        registry: The operations.
        reader: Questions to the store.
        amendment: Changes operations, wherever they are.
    """

    def __init__(self, registry: Registry, reader: LineageReader, amendment: Amendment) -> None:
        self._registry = registry
        self._reader = reader
        self._amendment = amendment
        self._readers: dict[str, None] = {}
        self._left: dict[str, None] = {}
        self._looked: dict[str, int] = {}  # how many datasets of operations at work were looked at
        self._wake = asyncio.Event()
        registry.on_inputs(self._told)
        registry.on_end(self._ended)

    def resume(self) -> None:
        """Look at everything at work that may not have been looked at before a restart."""
        for operation in self._registry.live.values():
            if operation.record.inputs:
                self._told(operation)

    async def run(self) -> None:
        """Link operations and loads until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._link()
            except ServiceError as error:
                structlog.get_logger().warning("lineage_not_stored", problem=error.message)
            except Exception:
                structlog.get_logger().exception("lineage_not_stored")

    def _told(self, operation: LiveOperation) -> None:
        count = len(operation.record.inputs)
        if self._looked.get(operation.id) != count:
            self._looked[operation.id] = count
            self._look_at(operation.id)

    def _ended(self, operation: LiveOperation) -> None:
        self._looked.pop(operation.id, None)
        if _unknown(operation.record):
            self._look_at(operation.id)
        if left := datasets_left(operation.record):
            self._left |= dict.fromkeys(left)
            self._wake.set()

    def _look_at(self, operation_id: str) -> None:
        self._readers[operation_id] = None
        self._wake.set()

    async def _link(self) -> None:
        left, self._left = self._left, {}
        if left:
            self._readers |= dict.fromkeys(await self._reader.readers_of(list(left)))
            for operation in self._registry.live.values():
                if not left.keys().isdisjoint(datasets_read(operation.record)):
                    self._readers[operation.id] = None
        readers, self._readers = self._readers, {}
        for operation_id in readers:
            await self._link_one(operation_id)

    async def _link_one(self, operation_id: str) -> None:
        try:
            found = await self._registry.get(operation_id)
            record = (found.state if isinstance(found, LiveOperation) else found).record
            loads = {one: await self._reader.loads_of(one) for one in _unknown(record)}
            if any(loads.values()):
                await self._amendment.change(operation_id, _linked(loads))
        except ServiceError as error:
            if error.reason != ErrorReason.ERROR_REASON_OPERATION_NOT_FOUND:  # deleted meanwhile
                raise


def _unknown(record: pb.Operation) -> list[str]:
    """Return the datasets of which no load is known yet."""
    return [each.dataset.fingerprint for each in record.inputs if not each.data_operation_ids]


def _linked(loads: Mapping[str, Sequence[str]]) -> Change:
    def link(state: OperationState) -> None:
        for each in state.record.inputs:
            if not each.data_operation_ids:
                each.data_operation_ids.extend(loads.get(each.dataset.fingerprint, ()))

    return link
