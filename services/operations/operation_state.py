"""The registry's own record of an operation: what is told to everybody, and what only the registry needs."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import IntEnum
from typing import Final, Protocol, Self

from google.rpc import status_pb2
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb
from sqlalchemy import RowMapping

from services.common.errors import ServiceError
from services.operations.changes import Row
from services.operations.worker_view import clear_running_times, clear_worker

State = pb.Operation.State
ENDED: Final = frozenset({State.STATE_COMPLETED, State.STATE_FAILED, State.STATE_CANCELLED})


class Delivery(IntEnum):
    """How far the wish to start an operation has come."""

    NEW = 0
    """Nothing has been sent to any host."""
    SENT = 1
    """It was sent, or may have been: only the host knows whether it has the session."""
    ACCEPTED = 2
    """The host has the session."""


class Later(Protocol):
    """Something that can be shown when somebody asks for it."""

    def show(self, state: "OperationState") -> bool:
        """Let the state tell it."""


class _Record:
    """The record of a state; what waits to be applied to it is applied when somebody asks for it."""

    def __get__(self, state: "OperationState | None", _owner: type) -> pb.Operation:
        if state is None:
            raise AttributeError  # so dataclasses see a field without a default
        if (later := state.later) is not None:
            state.later = None
            later.show(state)
            record = state.settled
            record.revision = max(record.revision, state.later_revision)
        return state.settled

    def __set__(self, state: "OperationState", record: pb.Operation) -> None:
        state.settled = record


@dataclass
class OperationState:
    """Everything about an operation that survives a restart, but for its points.

    Attributes:
        record: The operation as it is told, without what depends on the time of telling (liveness, staleness).
        delivery: How far the wish to start it has come.
        wanted_host: Host that its creator named; empty if any will do.
        host_uid: Identity of the host that has the session, once known.
        cancel_now: The wish to stop does not wait for the worker.
        cancel_sent: The host has taken the wish to stop.
        asked_us: When the latest attempt was asked for, in microseconds since the Unix epoch; 0 for the first, which
            was asked for when the operation was created.
        later: What is shown beyond the record as it is, and is applied to it when somebody asks for it: most of what
            hosts tell is overtaken before that.
        later_revision: Its revision.
        settled: The record without that.
    """

    record: pb.Operation = _Record()  # type: ignore[assignment]  # a descriptor stands for what it gives
    delivery: Delivery = Delivery.NEW
    wanted_host: str = ""
    host_uid: str = ""
    cancel_now: bool = False
    cancel_sent: bool = False
    asked_us: int = 0
    later: Later | None = field(default=None, init=False, compare=False, repr=False)
    later_revision: int = field(default=0, init=False, compare=False, repr=False)
    settled: pb.Operation = field(init=False, compare=False, repr=False)

    @property
    def ended(self) -> bool:
        """The operation is COMPLETED, FAILED or CANCELLED."""
        return self.settled.state in ENDED  # no host's progress ends it

    def copy(self) -> Self:
        """Return a copy that shares nothing."""
        record = pb.Operation()
        record.CopyFrom(self.record)
        return replace(self, record=record)

    def end(self, state: "State.ValueType", now: datetime, error: status_pb2.Status | None = None) -> None:
        """Let the operation end now, with `error` if it has no result."""
        self.record.state = state
        if not self.record.HasField("end_time"):
            self.record.end_time.FromDatetime(now)
        self.record.update_time.FromDatetime(now)
        self.record.wait_reason = ""
        clear_worker(self.record)
        if error is not None:
            self.record.error.CopyFrom(error)

    def end_cancelled(self, now: datetime) -> None:
        """Let the operation end as CANCELLED, as it was asked to."""
        self.end(State.STATE_CANCELLED, now, ServiceError(ErrorReason.ERROR_REASON_CANCELLED).status())

    def ask_to_stop(self, reason: str, *, urgent: bool, now: datetime) -> None:
        """Take the wish to stop: what no host was asked for ends at once, the rest when its host has confirmed.

        Args:
            reason: Why, for people; empty keeps the one that is there.
            urgent: Do not wait for the worker.
            now: Time of the change.
        """
        record = self.record
        record.cancel_requested = True
        record.cancel_reason = reason or record.cancel_reason
        record.update_time.FromDatetime(now)
        if self.delivery is Delivery.NEW:
            self.end_cancelled(now)
            return
        record.state = State.STATE_CANCELLING
        if urgent and not self.cancel_now:
            self.cancel_now = True
            self.cancel_sent = False

    def row(self) -> Row:
        """Return the row of the table of operations."""
        record = self.record
        kept = pb.Operation()
        kept.CopyFrom(record)
        for spec in ("training", "data_load"):
            kept.ClearField(spec)
        clear_running_times(kept)
        return {
            "id": record.id,
            "attempt": record.attempt,
            "created_us": record.create_time.ToMicroseconds(),
            "asked_us": self.asked_us,
            "started_us": record.start_time.ToMicroseconds(),
            "updated_us": record.update_time.ToMicroseconds(),
            "ended_us": record.end_time.ToMicroseconds(),
            "revision": record.revision,
            "terminal": self.ended,
            "state": record.state,
            "type": record.type,
            "host": record.host,
            "display_name": record.display_name,
            "strategy": record.strategy,
            "host_uid": self.host_uid,
            "session_id": record.session_id,
            "delivery": int(self.delivery),
            "wanted_host": self.wanted_host,
            "cancel_now": self.cancel_now,
            "cancel_sent": self.cancel_sent,
            "attached": record.attached,
            "verdicts": active_verdicts(record),
            "notes": record.notes,
            "record": kept.SerializeToString(),
        }

    def spec_row(self) -> Row:
        """Return the row of the table of specs."""
        return {"operation_id": self.record.id, "spec": spec_of(self.record).SerializeToString()}

    def label_rows(self) -> list[Row]:
        """Return the rows of the table of labels."""
        return [
            {"operation_id": self.record.id, "key": key, "value": value} for key, value in self.record.labels.items()
        ]

    @classmethod
    def from_row(cls, row: RowMapping) -> Self:
        """Return the state that a row of operations, joined with its spec, stands for."""
        record = pb.Operation.FromString(row["record"])
        record.MergeFromString(row["spec"] or b"")
        return cls(
            record,
            Delivery(row["delivery"]),
            row["wanted_host"],
            row["host_uid"],
            row["cancel_now"],
            row["cancel_sent"],
            row.get("asked_us", 0),
        )


def active_verdicts(record: pb.Operation) -> int:
    """Return the kinds of the active verdicts: bit N stands for the kind with number N."""
    bits = 0
    for verdict in record.verdicts:
        bits |= verdict.active << verdict.kind
    return bits


def spec_of(record: pb.Operation) -> pb.Operation:
    """Return an operation with nothing but the spec of `record`."""
    match record.WhichOneof("spec"):
        case "training":
            return pb.Operation(training=record.training)
        case "data_load":
            return pb.Operation(data_load=record.data_load)
        case _:
            return pb.Operation()


def microseconds(instant: datetime) -> int:
    """Return an aware time as microseconds since the Unix epoch."""
    return round(instant.timestamp() * 1_000_000)
