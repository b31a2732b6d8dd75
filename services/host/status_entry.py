"""One session in the making of an answer."""

from datetime import datetime

from ktrdr.host.v1.session_pb2 import Session
from ktrdr_bridge import Position

from services.host.cursor import SessionCursor
from services.host.description import set_age
from services.host.points import Points
from services.host.session import HostedSession
from services.host.session_journal import NOWHERE, RecentPoints


class StatusEntry:
    """A session as it was when the answer began, and what the answer tells of it.

    Args:
        session: The session.
        known: Where the reader stands in it; None where it was not told of it yet.
        renewed: What the reader holds of sessions that it was not told of by this host is void.

    Attributes:
        session: The session.
        known: As given.
        snapshot: Its state.
        settled: Its final record.
        end: Where its journal ends.
        position: Where the reader stands in the journal; after the points were read, where it stands then.
        recent: The newest points, where they are just what the reader lacks.
        reset: The reader's position was lost.
        is_current: The reader has this state already.
        told: The state goes into the answer.
        points: The points that the answer has.
        unread: The journal has rows that the reader will not have got with the answer.
        damage: What of the journal could not be read.
    """

    __slots__ = (
        "damage", "end", "is_current", "known", "points", "position", "recent", "reset", "session", "settled",
        "snapshot", "told", "unread",
    )  # fmt: skip

    def __init__(self, session: HostedSession, known: SessionCursor | None, *, renewed: bool) -> None:
        self.session = session
        self.known = known
        self.snapshot = session.snapshot()
        self.settled = session.settled
        self.end = end = session.end()
        self.recent: RecentPoints | None = None
        self.told = False
        self.points: Points | RecentPoints | None = None
        self.damage = ""
        if known is None:
            self.position, self.reset, self.is_current = NOWHERE, renewed, False
        else:
            incarnation, seq, token, _ = known
            self.position = Position(incarnation, seq)
            self.reset = bool(incarnation and end.incarnation) and (incarnation != end.incarnation or seq > end.seq)
            self.is_current = token == self.snapshot.token and not self.reset
        self.unread = self.position != end
        if self.unread and not self.reset:
            journal = session.journal()
            recent = None if journal is None else journal.recent
            if recent is not None and recent.after == self.position:
                self.recent = recent

    @property
    def was_drained(self) -> bool:
        """The reader was told before that the session is final."""
        at_end = self.known is not None and Position(self.known.incarnation, self.known.seq) == self.end
        return self.settled is not None and self.is_current and at_end

    @property
    def is_drained(self) -> bool:
        """The session has ended, and with the answer the reader has its final state and all points."""
        return self.settled is not None and (self.told or self.is_current) and not self.unread

    @property
    def is_included(self) -> bool:
        """The answer has something about the session."""
        return self.told or self.points is not None or (self.is_drained and not self.was_drained)

    @property
    def is_untouched(self) -> bool:
        """The reader stands after the answer where it stood before."""
        return self.unread and not self.told and self.points is None

    @property
    def is_plain(self) -> bool:
        """Beside state and points the answer has nothing to say of the session but its age and the estimate."""
        return (
            self.known is not None
            and self.settled is None
            and not (self.reset or self.damage)
            and self.snapshot.updated_ns != 0
            and self.snapshot.eta_seconds is not None
            and self.snapshot.next_stage_at is self.snapshot.ends_at is None
        )

    def rest(self, now: datetime, now_ns: int) -> Session:
        """Return a message with what the answer has to say beside state and points."""
        message = Session(reset=self.reset, journal_damage=self.damage, final=self.is_drained)
        if self.known is None or self.reset:
            message.spec.CopyFrom(self.session.spec)
        set_age(message, self.snapshot, now, now_ns)
        return message

    def take(self, points: Points) -> None:
        """Take what was read of the journal."""
        moved = points.position != self.position
        if points.reset:
            self.reset, self.is_current = True, False
        self.damage = points.damage
        # What cannot be read is nothing to wait for.
        self.unread = points.more
        if moved or points.reset:
            self.points = points
            self.position = points.position
        elif not points.more and self.settled is not None:
            self.damage = points.damage or "the journal is gone, or ends before its last row"

    def take_recent(self, recent: RecentPoints) -> None:
        """Take the newest points, which are just what the reader lacks."""
        self.points, self.position, self.unread = recent, recent.end, False
