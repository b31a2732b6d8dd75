"""A session's message as of one moment, and the digest that tells it from an earlier one."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Final

from ktrdr.host.v1.session_pb2 import Session
from ktrdr_bridge import JournalRead

from services.host.progress import set_progress, set_thinning

TOKEN_BYTES: Final = 8


@dataclass(slots=True)
class Snapshot:
    """A session's message without points, and what tells it from an earlier one.

    Attributes:
        content: The message, serialized: so it goes into answers fastest. It lacks what depends on when it is told.
        token: Digest of the message. Equal tokens mean equal messages, over restarts of the host too.
        updated_ns: When the worker last wrote, in Unix nanoseconds; 0 where its age is of no interest any more.
        eta_seconds: Estimate of the rest of the phase, as of `updated_ns`; None where it cannot be told. An estimate
            alone is no change.
        next_stage_at: When a request to stop goes on to its next stage; None where there is none.
        ends_at: When its time limit is reached; None where there is none, and before and after the work.
    """

    content: bytes
    token: bytes
    updated_ns: int = 0
    eta_seconds: float | None = None
    next_stage_at: datetime | None = None
    ends_at: datetime | None = None

    @property
    def message(self) -> Session:
        """The message; a new object each time."""
        return Session.FromString(self.content)


class LiveMessage:
    """The message of a session that has not ended: what the host knows, and what the journal tells.

    What the host knows is seldom changed, and the greater part: another object is made for it, and serialized once.
    What the journal tells is changed in place.

    Args:
        message: The message, with everything but what the journal tells.
        next_stage_at: As in a snapshot.
        ends_at: As in a snapshot.
    """

    def __init__(
        self, message: Session, *, next_stage_at: datetime | None = None, ends_at: datetime | None = None
    ) -> None:
        self._content = message.SerializeToString(deterministic=True)
        self._digest = blake2b(self._content, digest_size=TOKEN_BYTES)
        self._updated_ns = message.update_time.ToNanoseconds()
        self._next_stage_at = next_stage_at
        self._ends_at = ends_at
        # Merged behind the rest: what it says wins.
        self._told = Session()
        self._progress = self._told.progress
        self._update_time = self._told.update_time
        self._fixed: tuple[object, ...] = ()
        self._rest: tuple[object, ...] = ()

    def alone(self, wait_reason: str) -> Snapshot:
        """Return the snapshot of a session whose work has not begun."""
        self._progress.wait_reason = wait_reason
        return self._snapshot(0, None)

    def with_journal(self, read: JournalRead) -> Snapshot:
        """Return the snapshot with what a journal tells."""
        progress, told = read.progress, self._progress
        fixed = (progress.phase, progress.total, progress.unit, progress.wait_reason)
        if fixed == self._fixed and progress.fraction is not None:
            told.step, told.completed, told.fraction = progress.step, progress.completed, progress.fraction
        else:
            set_progress(told, progress)
            self._fixed = fixed
        rest = (read.incarnation, read.recording, read.damage, read.thinning)
        if rest != self._rest:
            self._set_rest(read)
            self._rest = rest
        return self._snapshot(progress.updated_ns, progress.eta_seconds)

    def _set_rest(self, read: JournalRead) -> None:
        """Tell what the journal tells beside the progress, which hardly ever changes."""
        told = self._told
        told.incarnation = read.incarnation
        told.recording_stopped = bool(read.incarnation) and not read.recording
        told.journal_damage = read.damage
        set_thinning(told, read.thinning)

    def _snapshot(self, worker_ns: int, eta_seconds: float | None) -> Snapshot:
        time = self._update_time
        time.seconds, time.nanos = divmod(max(worker_ns, self._updated_ns), 10**9)
        told = self._told.SerializeToString()
        digest = self._digest.copy()
        digest.update(told)
        return Snapshot(
            self._content + told, digest.digest(), worker_ns, eta_seconds, self._next_stage_at, self._ends_at
        )


def final_snapshot(content: bytes) -> Snapshot:
    """Return the snapshot of a session that has ended, from its serialized message."""
    return Snapshot(content, blake2b(content, digest_size=TOKEN_BYTES).digest())
