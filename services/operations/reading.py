"""How far the sessions of one host have been read."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ktrdr.host.v1.host_pb2 import GetStatusResponse


@dataclass
class Reading:
    """A position in what a host has, and what a snapshot has shown so far.

    Attributes:
        cursor: The host's cursor after the last answer that is in the store; empty to begin with everything.
        complete: A whole snapshot has been read, so the cursor stands for everything the host has.
        seen: Sessions that the running snapshot has shown.
        began: Monotonic time at which the running snapshot began.
    """

    cursor: bytes = b""
    complete: bool = False
    seen: set[str] = field(default_factory=set)
    began: float | None = None

    @property
    def durable_cursor(self) -> bytes:
        """The cursor to store: half a snapshot would not tell, after a restart, which sessions are missing in it."""
        return self.cursor if self.complete else b""

    def restart(self) -> None:
        """Begin with everything again."""
        self.cursor = b""
        self.complete = False
        self.seen = set()
        self.began = None

    def after(self, answer: GetStatusResponse, asked_at: float) -> "Reading":
        """Return the reading as it is once `answer` is in the store.

        Args:
            answer: The host's answer to this reading's cursor.
            asked_at: Monotonic time at which it was asked for.
        """
        if self.complete:
            return Reading(answer.next_cursor, complete=True)
        began = asked_at if self.began is None else self.began
        seen = self.seen | {session.id for session in answer.sessions}
        return Reading(answer.next_cursor, answer.snapshot_complete, seen, began)

    def missing(self, after: "Reading", known: Iterable[tuple[str, float]]) -> set[str]:
        """Return the sessions that the host should have, and that the snapshot which just became complete did not show.

        Args:
            after: What `after` returned.
            known: Sessions of the host, each with the monotonic time since which the host has it.
        """
        if self.complete or not after.complete or after.began is None:
            return set()
        return {session_id for session_id, since in known if since < after.began and session_id not in after.seen}
