"""What the host reads of a live session's journal for its own answers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ktrdr_bridge import JournalRead, JournalReader, Position

from services.host.points import Points

_RECENT_POINTS: Final = 400
"""Most values that are read in passing, which takes about 20 µs."""

NOWHERE: Final = Position("", 0)


@dataclass(frozen=True, slots=True)
class RecentPoints:
    """The newest points of a journal, which most readers are about to ask for.

    Attributes:
        after: The position that they follow.
        points: The points, up to the journal's end.
        count: How much room they take in an answer.
    """

    after: Position
    points: Points
    count: int


class SessionJournal:
    """The journal of one session, read as it grows. For use on the event loop.

    What was written since the last reading is read once, whoever asks: it tells the progress, and holds the points that
    a reader lacks who was up to date before.

    Args:
        path: The journal.

    Attributes:
        version: Changes whenever a look has found the journal changed.
        reader: Reads it, from any position.
    """

    def __init__(self, path: Path) -> None:
        self.version = 0
        self.reader = JournalReader(path)
        self._token: bytes | None = None
        self._read_version = -1
        self._read: JournalRead
        self._recent: RecentPoints | None = None
        self._end: Position | None = None

    def look(self) -> None:
        """See whether the journal has changed; cheap enough to be asked a hundred times a second."""
        token = self.reader.change_token()
        if token != self._token:
            self._token = token
            self.version += 1

    def read(self) -> JournalRead:
        """Return what the journal told when it was looked at last, or a little later. Its points are `recent`."""
        if self._read_version != self.version:
            self._read_version = self.version
            self._read = self._read_on() or self._read_end()
        return self._read

    @property
    def recent(self) -> RecentPoints | None:
        """The points that the last reading found; None where it found none, or did not read them all."""
        return self._recent

    @property
    def end(self) -> Position:
        """Where the journal ended at the last reading."""
        return NOWHERE if self._end is None else self._end

    def close(self) -> None:
        """Close the journal."""
        self.reader.close()

    def _read_on(self) -> JournalRead | None:
        """Read what has come since the last reading, where that is little and whole."""
        after = self._end
        if after is None or not after.incarnation:
            return None
        read = self.reader.read(after, max_points=_RECENT_POINTS)
        if read.more or read.reset or read.damage or read.incarnation != after.incarnation:
            return None
        self._end = read.next
        if read.next == after:
            # The state beside the rows has changed. What was read before is still what the most readers lack.
            return read
        points = Points(after)
        self._recent = RecentPoints(after, points, points.add(read))
        return read

    def _read_end(self) -> JournalRead:
        read = self.reader.read(self.reader.end(), max_points=1)
        self._end = self.reader.end() if read.more else read.next
        self._recent = None
        return read
