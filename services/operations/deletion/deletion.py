"""Delete operations."""

import structlog
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.clock import Clock
from services.common.errors import ServiceError
from services.operations.deletion.deletion_reader import DeletionReader
from services.operations.deletion.deletion_unit import DeletionUnit, Doomed
from services.operations.deletion.session_removal import SessionRemoval
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import OperationState
from services.operations.registry import Registry
from services.operations.turns import Turns


class Deletion:
    """Deletes operations that have ended.

    Args:
        registry: The operations.
        reader: Questions to the store.
        turns: Orders those who change an ended operation.
        removal: Removes sessions from their hosts.
        clock: The time.
    """

    def __init__(
        self, registry: Registry, reader: DeletionReader, turns: Turns, removal: SessionRemoval, clock: Clock
    ) -> None:
        self._registry = registry
        self._reader = reader
        self._turns = turns
        self._removal = removal
        self._clock = clock

    async def delete(self, operation_id: str, *, keep_sessions: bool) -> None:
        """Delete an operation with its history. It is gone when this returns; its sessions go when their hosts answer.

        Asking again changes nothing, for as long as the tombstone is kept.

        Args:
            operation_id: Which.
            keep_sessions: Leave its sessions on their hosts.

        Raises:
            ServiceError: OPERATION_NOT_FOUND; WRONG_STATE while it has not ended.
        """
        async with self._turns.of(operation_id):
            try:
                found = await self._registry.get(operation_id)
            except ServiceError:
                if await self._reader.is_deleted(operation_id):
                    return
                raise
            state = found.state if isinstance(found, LiveOperation) else found
            if not state.ended or operation_id in self._registry.live:
                raise _at_work(state)
            unit = DeletionUnit(self._registry, [doomed(state)], keep_sessions=keep_sessions, now=self._clock.now())
            await self._registry.commits.commit(unit)
        structlog.get_logger().info("operation_deleted", operation_id=operation_id, keep_sessions=keep_sessions)
        self._removal.wake()


def doomed(state: OperationState) -> Doomed:
    """Return what the deletion of an operation needs to know."""
    return Doomed(state.record.id, state.host_uid, state.record.host, state.record.session_id)


def _at_work(state: OperationState) -> ServiceError:
    name = pb.Operation.State.Name(state.record.state).removeprefix("STATE_")
    detail = f"Ask it to stop first, with: ktrdr ops cancel {state.record.id}."
    return ServiceError(ErrorReason.ERROR_REASON_WRONG_STATE, state=name, detail=detail)
