"""One session as the host has it in memory, and the message that describes it."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from google.protobuf import any_pb2
from ktrdr.host.v1.session_pb2 import CancelStage, DatasetUse, HostKind, Session, SessionOptions
from ktrdr_bridge import Position

from services.host.folder import SessionFolder
from services.host.records import SessionRecord, SettledRecord
from services.host.runner import Liveness, WorkerView
from services.host.session_inputs import read_inputs
from services.host.session_journal import NOWHERE, SessionJournal
from services.host.snapshot import LiveMessage, Snapshot, final_snapshot
from services.host.stop_cause import HOST_STOP

_LIVENESS: Final = {
    Liveness.ALIVE: Session.WORKER_LIVENESS_ALIVE,
    Liveness.STALE: Session.WORKER_LIVENESS_STALE,
    Liveness.ENDED: Session.WORKER_LIVENESS_ENDED,
}


class HostedSession:
    """A session of this host. Changed on the event loop only, by `Sessions`.

    Args:
        folder: Its files.
        record: What was accepted.
        host_kind: Kind of the host.

    Attributes:
        id: The session's id.
        number: Its place among all sessions, in the order they were accepted.
        version: Changes with everything that the session's message tells, as of the last look.
    """

    def __init__(self, folder: SessionFolder, record: SessionRecord, host_kind: "HostKind.ValueType") -> None:
        self.id = record.id
        self.number = record.number
        self.version = 0
        self.folder = folder
        self.record = record
        self.spec = any_pb2.Any(type_url=record.spec_type_url, value=record.spec)
        self.options = SessionOptions.FromString(record.options)
        self._host_kind = host_kind
        self._state: Session.State.ValueType = Session.STATE_QUEUED
        self._start_time: datetime | None = None
        self._cancel_reason: str | None = None
        self._cancel_time: datetime | None = None
        self._cancel_cause = ""
        self._cancel_now = False
        self._cancel_stage: CancelStage.ValueType = CancelStage.CANCEL_STAGE_UNSPECIFIED
        self._next_stage_at: datetime | None = None
        self._devices: tuple[str, ...] = ()
        self._worker: WorkerView | None = None
        self._line_position = 0
        self._waits_for = ""
        self._settled: SettledRecord | None = None
        self._journal: SessionJournal | None = None
        self._holds = 0
        self._changed: set[HostedSession] | None = None
        self._told_version = -1
        self._inputs: list[DatasetUse] = []
        self._inputs_as_of: str | None = None
        self._live: LiveMessage | None = None
        self._snapshot: Snapshot | None = None

    @property
    def state(self) -> "Session.State.ValueType":
        """Where it stands."""
        return self._state

    @property
    def settled(self) -> SettledRecord | None:
        """The final record, None while the session has not ended."""
        return self._settled

    @property
    def cancel_reason(self) -> str | None:
        """Why it was asked to stop; None if it was not."""
        return self._cancel_reason

    @property
    def cancel_time(self) -> datetime | None:
        """When it was asked to stop."""
        return self._cancel_time

    @property
    def cancel_cause(self) -> str:
        """What made the host ask: one of `stop_cause`, empty where somebody asked for it."""
        return self._cancel_cause

    @property
    def cancel_now(self) -> bool:
        """It is not waited for until it stops by itself."""
        return self._cancel_now

    @property
    def start_time(self) -> datetime | None:
        """When it left the queue."""
        return self._start_time

    @property
    def devices(self) -> tuple[str, ...]:
        """Devices that it has for itself, by name."""
        return self._devices

    @property
    def attached(self) -> bool:
        """A process of the user's own opened it."""
        return self.record.attached

    @property
    def display_name(self) -> str:
        """Its name for people; empty where it has none."""
        return self.record.display_name

    @property
    def ends_at(self) -> datetime | None:
        """When its time limit is reached; None where it has none, or has not begun."""
        if self._start_time is None or not self.options.HasField("timeout"):
            return None
        return self._start_time + self.options.timeout.ToTimedelta()

    def wait_in_line(self, position: int, waits_for: str = "") -> None:
        """Tell its place in the queue, from 1, and what it waits for beside those before it."""
        if (position, waits_for) != (self._line_position, self._waits_for):
            self._line_position, self._waits_for = position, waits_for
            self._has_changed()

    def begin(self, start_time: datetime, devices: Sequence[str] = ()) -> None:
        """Its work begins, on devices that it has for itself."""
        self._state = Session.STATE_RUNNING if self._cancel_reason is None else Session.STATE_CANCELLING
        self._start_time = start_time
        self._devices = tuple(devices)
        self._has_changed()

    def cancel(self, reason: str, at: datetime, *, now: bool = False, cause: str = "") -> None:
        """It was asked to stop. The first reason counts, but somebody's request replaces one of the host's own stop."""
        self._cancel_now = self._cancel_now or now
        if self._cancel_reason is None or (self._cancel_cause == HOST_STOP and cause != HOST_STOP):
            self._cancel_reason, self._cancel_time, self._cancel_cause = reason, at, cause
            self._cancel_stage = CancelStage.CANCEL_STAGE_ASKED
        if self._state == Session.STATE_RUNNING:
            self._state = Session.STATE_CANCELLING
        self._has_changed()

    def see_cancel(self, stage: "CancelStage.ValueType", next_at: datetime | None) -> None:
        """The request to stop has come to this stage, and goes on to the next one then (None: there is none)."""
        self._cancel_stage, self._next_stage_at = stage, next_at
        self._has_changed()

    def see_worker(self, view: WorkerView) -> None:
        """Its worker stands like this."""
        self._worker = view
        self._has_changed()

    def settle(self, record: SettledRecord) -> None:
        """It has ended. Nothing changes it afterwards, and its files are not looked at again for its state."""
        message = Session.FromString(record.session)
        self._settled = record
        self._state = message.state
        self._start_time = message.start_time.ToDatetime(tzinfo=UTC) if message.HasField("start_time") else None
        self._snapshot = final_snapshot(record.session)
        self.close()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep the folder while the block runs: retention leaves a session alone that is being read."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    @property
    def is_held(self) -> bool:
        """Somebody reads in its folder now."""
        return self._holds > 0

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()
            self._has_changed()
            self._journal = None

    def look(self, found: bytes | None = None) -> None:
        """See whether the worker has written anything; cheap enough to be asked a hundred times a second.

        Args:
            found: What was just found at the `words` of the journal; None to look there.
        """
        journal = self._journal or self.journal()
        if journal is not None and journal.look(found):
            self._count_change()

    def journal(self) -> SessionJournal | None:
        """Return the journal as the host reads it, on the event loop; None before the work, and after its end."""
        if self._journal is None and self._start_time is not None and self._settled is None:
            self._journal = SessionJournal(self.folder.journal)
        return self._journal

    def end(self) -> Position:
        """Return where the journal ends, as of the snapshot."""
        if self._settled is not None:
            return Position(self._settled.incarnation, self._settled.rows)
        return NOWHERE if self._journal is None else self._journal.end

    def snapshot(self) -> Snapshot:
        """Return the session's message without points, as of the last look. Built again only after a change."""
        if self._snapshot is not None and (self._told_version == self.version or self._settled is not None):
            return self._snapshot
        journal, self._told_version = self.journal(), self.version
        read = None if journal is None else journal.read()
        if read is not None and read.progress.phase != self._inputs_as_of:
            # Once a phase, and not at each look: a worker begins the next phase when it has written down its inputs.
            self._inputs_as_of = read.progress.phase
            if (inputs := read_inputs(self.folder)) != self._inputs:
                self._inputs, self._live = inputs, None
        if self._live is None:
            begun = self._start_time is not None
            self._live = LiveMessage(
                self._describe(), next_stage_at=self._next_stage_at if begun else None, ends_at=self.ends_at
            )
        if read is None:
            self._snapshot = self._live.alone(self._wait_reason())
        else:
            self._snapshot = self._live.with_journal(read)
        return self._snapshot

    def report_to(self, changed: "set[HostedSession] | None") -> None:
        """Add itself to this set with each change from now on; None to no set."""
        self._changed = changed

    def _has_changed(self) -> None:
        """What the host knows of the session has changed: to be called by all that changes it."""
        self._live = None
        self._count_change()

    def _count_change(self) -> None:
        self.version += 1
        if self._changed is not None:
            self._changed.add(self)

    def _describe(self) -> Session:
        message = Session(
            id=self.id,
            kind=self._host_kind,
            state=self._state,
            attempt=self.record.attempt,
            labels=self.record.labels,
            cancel_reason=self._cancel_reason or "",
            cancel_stage=self._cancel_stage,
            devices=self._devices,
            display_name=self.display_name,
            attached=self.attached,
            inputs=self._inputs,
        )
        if self.record.options:
            message.options.CopyFrom(self.options)
        message.create_time.FromDatetime(self.record.create_time)
        message.update_time.FromDatetime(self._cancel_time or self._start_time or self.record.create_time)
        if self._start_time is not None:
            message.start_time.FromDatetime(self._start_time)
        if self._worker is not None:
            message.worker_liveness = _LIVENESS[self._worker.liveness]
            message.worker_pid = self._worker.pid
        return message

    def _wait_reason(self) -> str:
        waits_for = f": {self._waits_for}" if self._waits_for else ""
        return f"queued, {_ordinal(self._line_position)} in line{waits_for}"


def _ordinal(number: int) -> str:
    """Return a number as a place: "1st", "2nd", "3rd", "4th", "11th"."""
    suffix = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"
