"""A session's message as of one moment, and the digest that tells it from an earlier one."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Final

from ktrdr.host.v1.session_pb2 import Session
from ktrdr_bridge import JournalRead

from services.host.progress import set_progress

TOKEN_BYTES: Final = 8


@dataclass(slots=True)
class Snapshot:
    """A session's message without points, and what tells it from an earlier one.

    Attributes:
        message: The message. It belongs to the session, which changes it: copy what is kept, and do not change it.
        token: Digest of its content. Equal tokens mean equal content, over restarts of the host too.
        size: Bytes of the message.
        updated_ns: When the worker last wrote, in Unix nanoseconds; 0 where its age is of no interest any more.
        next_stage_at: When a request to stop goes on to its next stage; None where there is none.
        ends_at: When its time limit is reached; None where there is none, and before and after the work.
    """

    message: Session
    token: bytes
    size: int
    updated_ns: int = 0
    next_stage_at: datetime | None = None
    ends_at: datetime | None = None


class LiveMessage:
    """The message of a session that has not ended: what the host knows, and what the journal tells.

    What the host knows is seldom changed, and the greater part: another object is made for it. What the journal tells
    is changed in place, and the digest taken of that part alone.

    Args:
        message: The message, with everything but what the journal tells; from now on it belongs to this object.
        next_stage_at: As in a snapshot.
        ends_at: As in a snapshot.
    """

    def __init__(
        self, message: Session, *, next_stage_at: datetime | None = None, ends_at: datetime | None = None
    ) -> None:
        content = message.SerializeToString(deterministic=True)
        self._size = len(content)
        self._digest = blake2b(content, digest_size=TOKEN_BYTES)
        self._message = message
        self._progress = message.progress
        self._update_time = message.update_time
        self._updated_ns = message.update_time.ToNanoseconds()
        self._next_stage_at = next_stage_at
        self._ends_at = ends_at
        self._rest: tuple[object, ...] = ()
        self._rest_content = b""

    def alone(self, wait_reason: str) -> Snapshot:
        """Return the snapshot of a session whose work has not begun."""
        self._progress.wait_reason = wait_reason
        return self._snapshot(0)

    def with_journal(self, read: JournalRead) -> Snapshot:
        """Return the snapshot with what a journal tells."""
        progress, told = read.progress, self._progress
        told.ClearField("eta")
        set_progress(told, progress)
        rest = (read.incarnation, read.recording, read.damage, read.thinning)
        if rest != self._rest:
            self._set_rest(read)
            self._rest = rest
        snapshot = self._snapshot(progress.updated_ns)
        if progress.eta_seconds is not None:
            # Set after the digest was taken: an estimate alone is no change.
            eta = told.eta
            eta.seconds, eta.nanos = divmod(int(progress.eta_seconds * 1e9), 10**9)
        return snapshot

    def _set_rest(self, read: JournalRead) -> None:
        """Tell what the journal tells beside the progress, which hardly ever changes."""
        message = self._message
        message.incarnation = read.incarnation
        message.recording_stopped = bool(read.incarnation) and not read.recording
        message.journal_damage = read.damage
        message.ClearField("thinning")
        thinning = read.thinning
        if thinning is not None:
            message.thinning.generation = thinning.generation
            message.thinning.complete_from_seq = thinning.complete_from_seq
            message.thinning.rows_left_out = thinning.rows_left_out
        self._rest_content = Session(
            incarnation=message.incarnation,
            recording_stopped=message.recording_stopped,
            journal_damage=message.journal_damage,
            thinning=message.thinning if thinning is not None else None,
        ).SerializeToString()

    def _snapshot(self, worker_ns: int) -> Snapshot:
        updated_ns, time = max(worker_ns, self._updated_ns), self._update_time
        time.seconds, time.nanos = divmod(updated_ns, 10**9)
        content = self._progress.SerializeToString()
        digest = self._digest.copy()
        digest.update(b"%b%b%d" % (self._rest_content, content, updated_ns))
        size = self._size + len(content) + len(self._rest_content)
        return Snapshot(self._message, digest.digest(), size, worker_ns, self._next_stage_at, self._ends_at)


def final_snapshot(message: Session) -> Snapshot:
    """Return the snapshot of a session that has ended."""
    content = message.SerializeToString(deterministic=True)
    return Snapshot(message, blake2b(content, digest_size=TOKEN_BYTES).digest(), len(content))
