"""Ask operations to stop."""

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.clock import Clock
from services.common.errors import FieldViolation, ServiceError
from services.operations.live_operation import LiveOperation
from services.operations.presenter import Presenter
from services.operations.registry import Registry
from services.operations.wishes import Wishes

_LONGEST_REASON = 500


class Cancellation:
    """Takes wishes to stop. They are durable before they are answered.

    Args:
        registry: The operations.
        wishes: Sends them to hosts.
        presenter: Tells operations.
        clock: The time.
    """

    def __init__(self, registry: Registry, wishes: Wishes, presenter: Presenter, clock: Clock) -> None:
        self._registry = registry
        self._wishes = wishes
        self._presenter = presenter
        self._clock = clock

    async def cancel(self, operation_id: str, *, reason: str, urgent: bool, attempt: int | None = None) -> pb.Operation:
        """Ask an operation to stop, and return it as it is then. Asking again changes nothing, but can make it urgent.

        Args:
            operation_id: Which.
            reason: Why, for people.
            urgent: Do not wait for the worker to stop by itself.
            attempt: Only this attempt: one that has followed it meanwhile goes on. None for whichever is at work.

        Raises:
            ServiceError: OPERATION_NOT_FOUND or INVALID_REQUEST.
        """
        if len(reason) > _LONGEST_REASON:
            fields = [FieldViolation("reason", f"at most {_LONGEST_REASON} characters")]
            raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=fields)
        operation = self._registry.live.get(operation_id)
        meant = operation is not None and attempt in {None, operation.attempt}
        if operation is not None and meant and _asks_for_more(operation, urgent=urgent):
            now = self._clock.now()
            await self._registry.change(operation, lambda state: state.ask_to_stop(reason, urgent=urgent, now=now))
            self._wishes.pursue(operation)
        return self._presenter.present(await self._registry.get(operation_id))


def _asks_for_more(operation: LiveOperation, *, urgent: bool) -> bool:
    state = operation.state
    return not state.record.cancel_requested or (urgent and not state.cancel_now)
