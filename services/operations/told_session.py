"""What a host told about one session, to be applied to states of its operation."""

from datetime import datetime
from typing import Final, NamedTuple, Self

from google.protobuf.timestamp_pb2 import Timestamp
from ktrdr.host.v1.session_pb2 import Session

from services.common.clock import Clock
from services.operations.followed_host import FollowedHost
from services.operations.live_operation import LiveOperation
from services.operations.loss import no_loss
from services.operations.new_points import NewPoints, show_latest
from services.operations.operation_state import Delivery, OperationState, State
from services.operations.session_update import end_with_session, show_session_at

_RUNNING_SESSION: Final = Session.State.STATE_RUNNING
_RUNNING: Final = State.STATE_RUNNING


class Moment(NamedTuple):
    """When an answer is taken in: the same for all its sessions.

    Attributes:
        now: The time.
        timestamp: The same as a message.
        monotonic: Monotonic time.
    """

    now: datetime
    timestamp: Timestamp
    monotonic: float

    @classmethod
    def of(cls, clock: Clock) -> Self:
        """Return this moment."""
        now, timestamp = clock.now(), Timestamp()
        timestamp.FromDatetime(now)
        return cls(now, timestamp, clock.monotonic())


class ToldSession:
    """What is new of one session.

    Args:
        moment: When it is taken in.
        host: Who told.
        session: What was told.
        operation: The operation of the session.
        points: Points that are new.

    Attributes:
        series: Names of the series that have new points.
    """

    __slots__ = ("_host", "_host_uid", "_moment", "_operation", "_points", "_session", "_total", "series")

    def __init__(
        self, moment: Moment, host: FollowedHost, session: Session, operation: LiveOperation, points: NewPoints | None
    ) -> None:
        self._moment = moment
        self._host = host.name
        self._host_uid = host.host_uid
        self._session = session
        self._operation = operation
        self._points = points
        self._total = operation.stored_points + (points.count if points else 0)
        self.series = tuple([one.name for one in points.series]) if points is not None else ()

    @property
    def is_mere_progress(self) -> bool:
        """Nothing is told but progress and new points of an operation that is at work, and was before."""
        session, operation = self._session, self._operation
        state = operation.state
        record = state.settled
        if self._points is None or session.state != _RUNNING_SESSION or record.state != _RUNNING:
            return False
        if state.delivery is not Delivery.ACCEPTED or state.host_uid != self._host_uid or operation.hidden:
            return False
        special = session.inputs or session.progress.wait_reason or record.wait_reason or record.HasField("loss")
        return not special

    def show_later(self) -> None:
        """Let the operation tell it when somebody asks: until then it may be overtaken by what is told next."""
        state = self._operation.state
        if isinstance(state.later, ToldSession) and state.later.series != self.series:
            _ = state.record  # or series that are not told of this time would be left out
        state.later = self

    def show(self, state: OperationState) -> bool:
        """Let the state tell it, an end excepted; return whether anything changed."""
        record = state.record
        changed = state.delivery is not Delivery.ACCEPTED
        state.delivery = Delivery.ACCEPTED
        state.host_uid = self._host_uid
        if record.metric_points != self._total:
            record.metric_points = self._total
            if self._points is not None:
                show_latest(record, self._points)
            record.update_time.CopyFrom(self._moment.timestamp)
            changed = True
        return show_session_at(record, self._session, self._host, self._moment.timestamp) or changed

    def again(self, state: OperationState) -> None:
        """Let the state tell it, of a session that seemed to be lost."""
        self.show(state)
        no_loss(state)

    def end(self, state: OperationState) -> None:
        """Let the state tell it, the end included."""
        self.again(state)
        end_with_session(state.record, self._session, self._moment.now)
