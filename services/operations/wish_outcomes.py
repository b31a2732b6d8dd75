"""What becomes of an operation when a wish was sent to a host."""

import structlog
from google.rpc import error_details_pb2, status_pb2
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import Session

from services.common.clock import Clock
from services.common.errors import FieldViolation, ServiceError, error_info
from services.operations.followed_host import FollowedHost
from services.operations.live_operation import LiveOperation
from services.operations.losses import Losses
from services.operations.operation_state import Delivery, OperationState, State
from services.operations.registry import Registry
from services.operations.session_update import end_with_removed, is_removed, show_session


class WishOutcomes:
    """Changes operations as hosts answer.

    Args:
        registry: The operations.
        losses: Is told of what hosts do not know any more.
        clock: The time.
    """

    def __init__(self, registry: Registry, losses: Losses, clock: Clock) -> None:
        self._registry = registry
        self._losses = losses
        self._clock = clock

    def show_wait(self, operation: LiveOperation, wait_reason: str) -> None:
        """Show why the operation waits."""

        def change(state: OperationState) -> bool:
            changed = state.record.wait_reason != wait_reason
            state.record.wait_reason = wait_reason
            return changed

        self._registry.show(operation, change)

    async def sent_to(self, operation: LiveOperation, host: FollowedHost) -> None:
        """The operation is about to be sent to a host. Nothing is sent before this is stored."""
        name, host_uid = host.name, host.host_uid

        def change(state: OperationState) -> None:
            state.delivery = Delivery.SENT
            state.host_uid = host_uid
            state.record.host = name
            state.record.wait_reason = ""

        await self._registry.change(operation, change)
        self._look_for_replacement(host, host_uid)

    async def accepted(self, operation: LiveOperation, host: FollowedHost, session: Session) -> None:
        """The host has the session."""
        now, name, host_uid = self._clock.now(), host.name, host.host_uid

        def change(state: OperationState) -> None:
            if state.delivery is Delivery.ACCEPTED:
                return  # a poll was faster, and knows more than the answer to the start
            state.delivery = Delivery.ACCEPTED
            state.host_uid = host_uid
            if is_removed(session):
                end_with_removed(state.record, session, name, now)
            else:
                show_session(state.record, session, name, now)

        operation.accepted_at = operation.seen_at = self._clock.monotonic()
        operation.hidden = False  # it will not be refused any more
        await self._registry.change(operation, change)
        self._look_for_replacement(host, host_uid)
        operation.answer_creator(None)

    async def no_room(self, operation: LiveOperation, wait_reason: str) -> None:
        """The host has not taken the operation; it can be placed anew, unless it was asked to stop meanwhile."""
        now = self._clock.now()

        def change(state: OperationState) -> None:
            if state.record.cancel_requested:
                state.end_cancelled(now)
                return
            state.delivery = Delivery.NEW
            state.host_uid = ""
            state.record.host = ""
            state.record.wait_reason = wait_reason

        await self._registry.change(operation, change)
        operation.answer_creator(None)

    async def refused(self, operation: LiveOperation, host: FollowedHost, status: status_pb2.Status) -> None:
        """The host will never take the operation: its creator hears of it, or it fails if the creator was answered."""
        if operation.answer_creator(status):
            return
        info = error_info(status)
        error = ServiceError(
            ErrorReason.ERROR_REASON_INVALID_SPEC,
            fields=_violations(status),
            host=host.name,
            host_reason=info.reason if info else "",
            detail=status.message,
        ).status()
        now = self._clock.now()
        structlog.get_logger().warning("operation_refused", operation_id=operation.id, host=host.name)
        await self._registry.change(operation, lambda state: state.end(State.STATE_FAILED, now, error))

    async def stop_taken(self, operation: LiveOperation, *, urgent: bool) -> None:
        """The host has taken the wish to stop.

        Args:
            operation: The operation.
            urgent: The wish that was sent did not wait for the worker.
        """

        def change(state: OperationState) -> None:
            state.delivery = Delivery.ACCEPTED
            state.cancel_sent = urgent or not state.cancel_now
            state.record.wait_reason = ""

        if operation.accepted_at is None:
            operation.accepted_at = self._clock.monotonic()
        await self._registry.change(operation, change)

    async def ended_before(self, operation: LiveOperation, host: FollowedHost, session: Session) -> None:
        """The session has ended, and the host has only its end left."""
        now = self._clock.now()
        await self._registry.change(operation, lambda state: end_with_removed(state.record, session, host.name, now))

    async def stopped_unknown(self, operation: LiveOperation, host: FollowedHost) -> None:
        """The host was asked to stop a session that it does not have.

        If nobody knew whether the start had arrived, this settles it: it has not. Otherwise the host may have lost it.
        """
        if operation.state.delivery is Delivery.ACCEPTED:
            await self._losses.report(operation, host)
            return
        now = self._clock.now()
        await self._registry.change(operation, lambda state: state.end_cancelled(now))

    def _look_for_replacement(self, host: FollowedHost, host_uid: str) -> None:
        """Have operations looked for whose host was replaced: this one was not among them while it was stored."""
        if host.host_uid != host_uid:
            self._losses.identities_changed()


def _violations(status: status_pb2.Status) -> list[FieldViolation]:
    for detail in status.details:
        bad = error_details_pb2.BadRequest()
        if detail.Unpack(bad):
            return [FieldViolation(violation.field, violation.description) for violation in bad.field_violations]
    return []
