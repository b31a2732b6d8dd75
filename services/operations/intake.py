"""Take in what a host has answered: one transaction for the whole answer, with the cursor that covers it."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import structlog
from ktrdr.host.v1.host_pb2 import GetStatusResponse
from ktrdr.host.v1.session_pb2 import Session

from services.common.clock import Clock
from services.operations.answer_unit import AnswerUnit, OperationUpdate
from services.operations.followed_host import FollowedHost
from services.operations.identifiers import derived_operation_id, parse_session_id
from services.operations.known_sessions import KnownSessions
from services.operations.live_operation import LiveOperation
from services.operations.loop_turns import LoopTurns
from services.operations.loss import session_missing
from services.operations.new_points import new_points
from services.operations.operation_state import Delivery, OperationState
from services.operations.reading import Reading
from services.operations.registry import Registry
from services.operations.session_update import is_at_work, is_final, new_record
from services.operations.shown_unit import ShownUnit
from services.operations.store_reader import StoreReader
from services.operations.told_session import Moment, ToldSession
from services.operations.trends.ending import Closing, NoClosing, ending

_ANSWERS_AT_ONCE: Final = 4
"""Answers that are taken in between two looks at what else there is to do."""

_logger = structlog.get_logger()
_NO_CLOSING = NoClosing()


@dataclass(frozen=True)
class Taken:
    """What came of an answer.

    Attributes:
        changed: It told of changes.
        more: The host has more to tell, or has to tell it again: what it told is not known here.
        resurfaced: Sessions at work whose operation has ended: nobody follows them any more, so they are to be stopped.
        lost: Operations whose sessions the host has told to be gone.
    """

    changed: bool
    more: bool = False
    resurfaced: tuple[str, ...] = ()
    lost: tuple[LiveOperation, ...] = ()


class Intake:
    """Turns answers of hosts into changes of operations.

    Args:
        registry: The operations.
        reader: Questions to the store.
        clock: The time.
        closing: Knows the verdicts with which attempts end.
    """

    def __init__(self, registry: Registry, reader: StoreReader, clock: Clock, closing: Closing = _NO_CLOSING) -> None:
        self._closing = closing
        self._turns = LoopTurns(_ANSWERS_AT_ONCE)
        self._registry = registry
        self._reader = reader
        self._clock = clock

    async def take(self, host: FollowedHost, cursor: bytes, answer: GetStatusResponse, *, asked_at: float) -> Taken:
        """Take in an answer. Progress is shown at once; points, ends and new operations when they are stored.

        An answer to another cursor than the present one is dropped: it is late or came twice; its points come again.

        Args:
            host: Who answered.
            cursor: The cursor that was sent.
            answer: What came back.
            asked_at: Monotonic time at which it was asked for.

        Raises:
            ServiceError: The store did not take it; the same answer can be taken again.
        """
        await self._turns.mine()
        host_uid = host.host_uid
        told = self._with_operations(host, answer.sessions)
        unknown = [session.id for session, operation in told if operation is None]
        stored = await KnownSessions.read(self._reader, host.host_uid, unknown)
        completes = answer.snapshot_complete and not host.reading.complete
        abandoned = await self._reader.all_abandoned(host.host_uid) if completes else set()
        if cursor != host.reading.cursor or host_uid != host.host_uid:  # it was found at another address meanwhile
            return Taken(changed=False, more=True)
        if unknown or completes:  # others have been at work meanwhile
            told = self._with_operations(host, answer.sessions)
        after = host.reading.after(answer, asked_at)
        lost = {*answer.removed_sessions, *host.reading.missing(after, self._held_by(host))}
        # A whole snapshot shows which of the sessions that nobody follows any more the host does not have any more.
        forgotten = [*answer.removed_sessions, *_not_seen(abandoned, host.reading, after)]
        moment = Moment.of(self._clock)
        unit = AnswerUnit(self._registry, host, after, moment.monotonic, forgotten)
        try:
            resurfaced = self._fill(unit, moment, host, told, stored)
            gone = tuple(self._lost(host, lost))
            for operation in gone:
                unit.add(self._note_loss(host, operation))
            stores = unit.show()
        except BaseException:
            unit.failed()
            raise
        if stores:
            await self._registry.commits.commit(unit)
        elif host.unstored.is_due(moment.monotonic) and not host.unstored.under_way:
            self._registry.commits.add(ShownUnit(self._registry, host, moment.monotonic))
        return Taken(bool(answer.sessions or lost), answer.more, tuple(resurfaced), gone)

    def _fill(
        self,
        unit: AnswerUnit,
        moment: Moment,
        host: FollowedHost,
        told: Iterable[tuple[Session, LiveOperation | None]],
        stored: KnownSessions,
    ) -> list[str]:
        """Put everything that the answer changes into the unit; return the sessions that have resurfaced."""
        resurfaced: list[str] = []
        taken_ids = set(stored.taken_ids)
        for session, operation in told:
            if operation is not None:
                unit.add(self._update(moment, host, operation, session))
            elif session.id in stored.abandoned:
                resurfaced += [session.id] if is_at_work(session) and not session.attached else []
            elif ended := stored.operation_of(session.id):
                resurfaced += [session.id] if _is_abandoned(ended, session) else []
            elif session.id in stored.asked:
                found = self._discovery(moment, host, session, taken_ids)
                taken_ids.add(found.operation.id)  # the same answer may have other attempts of it
                unit.add(found)
        return resurfaced

    def _with_operations(
        self, host: FollowedHost, sessions: Iterable[Session]
    ) -> list[tuple[Session, LiveOperation | None]]:
        return [(session, self._find(host, session.id)) for session in sessions]

    def _find(self, host: FollowedHost, session_id: str) -> LiveOperation | None:
        return self._registry.find(host.name, host.host_uid, session_id)

    def _held_by(self, host: FollowedHost) -> Iterator[tuple[str, float]]:
        for operation in self._registry.live.values():
            state = operation.state
            here = state.host_uid == host.host_uid if state.host_uid else state.record.host == host.name
            if operation.accepted_at is not None and here:
                yield state.record.session_id, operation.accepted_at

    def _update(
        self, moment: Moment, host: FollowedHost, operation: LiveOperation, session: Session
    ) -> OperationUpdate:
        points = new_points(operation.positions, session.incarnation, session.metrics)
        told = ToldSession(moment, host, session, operation, points)
        operation.seen_at = moment.monotonic
        if operation.accepted_at is None:
            operation.accepted_at = moment.monotonic
        operation.hidden = False  # the host has it, so it will not be refused any more
        if is_final(session):
            return OperationUpdate(operation, ending(self._closing, told.end, operation, points, session), points)
        if told.is_mere_progress and operation.first_answer is None:
            self._registry.show_later(operation, told)
            return OperationUpdate(operation, None, points)
        if operation.record.HasField("loss"):
            operation.answer_creator(None)
            return OperationUpdate(operation, told.again, points)  # evidence is as durable when it is taken back
        self._registry.show(operation, told.show)
        if session.inputs:
            self._registry.tell_inputs(operation)
        operation.answer_creator(None)
        return OperationUpdate(operation, None, points)

    def _discovery(
        self, moment: Moment, host: FollowedHost, session: Session, taken_ids: Collection[str]
    ) -> OperationUpdate:
        attempt = parse_session_id(session.id)
        operation_id = attempt.operation_id if attempt else ""
        if not operation_id or operation_id in taken_ids or operation_id in self._registry.live:
            operation_id = derived_operation_id(host.host_uid, session.id)
        number = attempt.number if attempt else max(session.attempt, 1)
        record = new_record(operation_id, session, number, moment.now)
        operation = LiveOperation(OperationState(record, Delivery.ACCEPTED, host_uid=host.host_uid))
        operation.seen_at = operation.accepted_at = moment.monotonic
        points = new_points(operation.positions, session.incarnation, session.metrics)
        told = ToldSession(moment, host, session, operation, points)
        told.show(operation.state)
        _logger.info("session_found", operation_id=operation_id, session_id=session.id, host=host.name)
        end = ending(self._closing, told.end, operation, points, session) if is_final(session) else None
        return OperationUpdate(operation, end, points, new=True)

    def _lost(self, host: FollowedHost, session_ids: Collection[str]) -> Iterator[LiveOperation]:
        for session_id in session_ids:
            if operation := self._find(host, session_id):
                yield operation

    def _note_loss(self, host: FollowedHost, operation: LiveOperation) -> OperationUpdate:
        return OperationUpdate(operation, session_missing(host, operation.record.session_id, self._clock.now()))


def _is_abandoned(ended: OperationState, session: Session) -> bool:
    return is_at_work(session) and parse_session_id(session.id) is not None and ended.ended


def _not_seen(session_ids: Collection[str], before: Reading, after: Reading) -> list[str]:
    """Return those of the sessions that the snapshot which just became complete did not show."""
    return [] if before.complete else [one for one in session_ids if one not in after.seen]
