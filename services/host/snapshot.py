"""A session's message as of one moment, and the digest that tells it from an earlier one."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Final

from ktrdr.host.v1.session_pb2 import Session
from ktrdr_bridge import JournalRead, ProgressSnapshot

from services.host.progress import set_progress

TOKEN_BYTES: Final = 8


@dataclass(slots=True)
class Snapshot:
    """A session's message without points, and what tells it from an earlier one.

    Attributes:
        message: The message; shared, so never changed.
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


class HostPart:
    """What the host itself knows of a session: seldom changed, and the greater part of its message.

    Args:
        message: The message, with everything but what the journal tells.
        next_stage_at: As in a snapshot.
        ends_at: As in a snapshot.
    """

    def __init__(
        self, message: Session, *, next_stage_at: datetime | None = None, ends_at: datetime | None = None
    ) -> None:
        self._updated_ns = message.update_time.ToNanoseconds()
        # The journal may tell a later time, and what is merged into a message last would win.
        message.ClearField("update_time")
        content = message.SerializeToString(deterministic=True)
        self._message = message
        self._size = len(content)
        self._digest = blake2b(content, digest_size=TOKEN_BYTES)
        self._next_stage_at = next_stage_at
        self._ends_at = ends_at

    def alone(self, wait_reason: str) -> Snapshot:
        """Return the snapshot of a session whose work has not begun."""
        told = Session()
        told.progress.wait_reason = wait_reason
        return self._completed(told, None)

    def with_journal(self, read: JournalRead) -> Snapshot:
        """Return the snapshot with what a journal tells."""
        told = Session(incarnation=read.incarnation)
        set_progress(told.progress, read.progress)
        if read.incarnation and not read.recording:
            told.recording_stopped = True
        if read.damage:
            told.journal_damage = read.damage
        if read.thinning is not None:
            thinning = read.thinning
            told.thinning.generation = thinning.generation
            told.thinning.complete_from_seq = thinning.complete_from_seq
            told.thinning.rows_left_out = thinning.rows_left_out
        return self._completed(told, read.progress)

    def _completed(self, told: Session, progress: ProgressSnapshot | None) -> Snapshot:
        worker_ns = 0 if progress is None else progress.updated_ns
        time = told.update_time
        time.seconds, time.nanos = divmod(max(worker_ns, self._updated_ns), 10**9)
        content = told.SerializeToString()
        digest = self._digest.copy()
        digest.update(content)
        if progress is not None and progress.eta_seconds is not None:
            # Set after the digest was taken: an estimate alone is no change.
            told.progress.eta.FromNanoseconds(int(progress.eta_seconds * 1e9))
        told.MergeFrom(self._message)
        size = self._size + len(content)
        return Snapshot(told, digest.digest(), size, worker_ns, self._next_stage_at, self._ends_at)


def final_snapshot(message: Session) -> Snapshot:
    """Return the snapshot of a session that has ended."""
    content = message.SerializeToString(deterministic=True)
    return Snapshot(message, blake2b(content, digest_size=TOKEN_BYTES).digest(), len(content))
