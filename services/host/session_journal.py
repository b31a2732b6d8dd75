"""What the host reads of a live session's journal for its own answers."""

from pathlib import Path
from typing import Final

from ktrdr_bridge import ChangingWords, JournalRead, JournalReader, Position

from services.host.points import Points
from services.host.row_packer import RowPacker

_RECENT_POINTS: Final = 400
"""Most values that are read in passing, which takes about 20 µs."""

NOWHERE: Final = Position("", 0)


class RecentPoints:
    """The newest points of a journal, which most readers are about to ask for.

    Args:
        after: The position that they follow.
        read: What was read from there, up to the journal's end.
        packer: Packs single rows of this journal.

    Attributes:
        after: As given.
        end: Where they end.
        count: How much room they take in an answer.
    """

    __slots__ = ("_packer", "_points", "_read", "after", "count", "end")

    def __init__(self, after: Position, read: JournalRead, packer: RowPacker) -> None:
        self.after = after
        self.end = read.next
        self._read = read
        self._packer = packer
        self._points: Points | None = None
        if read.row is not None:
            self.count = len(read.row.names)
        else:
            self._points = Points(after)
            self.count = self._points.add(read)

    def packed(self, *, raw_rows: bool) -> bytes:
        """Return the points as a serialized Session that has nothing else."""
        row = self._read.row
        if self._points is not None:
            return self._points.packed(raw_rows=raw_rows)
        return self._packer.pack(row, raw_rows=raw_rows) if row is not None and row.names else b""


class SessionJournal:
    """The journal of one session, read as it grows. For use on the event loop.

    What was written since the last reading is read once, whoever asks: it tells the progress, and holds the points that
    a reader lacks who was up to date before.

    Args:
        path: The journal.

    Attributes:
        words: The few bytes of the file that change with it, as of the last look; None while they are not known.
        end: Where it ended at the last reading.
        recent: The points that the last reading found; None where it found none, or did not read them all.
    """

    __slots__ = ("_lent", "_packer", "_read", "_read_token", "_reader", "_token", "end", "recent", "words")

    def __init__(self, path: Path) -> None:
        self.words: ChangingWords | None = None
        self.end = NOWHERE
        self.recent: RecentPoints | None = None
        self._reader = JournalReader(path)
        self._lent = False
        self._packer = RowPacker()
        self._token = b""
        self._read_token: bytes | None = None
        self._read: JournalRead

    def look(self, found: bytes | None = None) -> bool:
        """See whether the journal has changed; cheap enough to be asked a hundred times a second.

        Args:
            found: What was just found at `words`; None to look there.

        Returns:
            Whether it has.
        """
        token = self._reader.change_token(found)
        if found is None or token[: -len(found)] != self._token[: -len(found)]:
            self.words = self._reader.words
        if token == self._token:
            return False
        self._token = token
        self._lent = False
        return True

    def read(self) -> JournalRead:
        """Return what the journal told when it was looked at last, or a little later."""
        if self._read_token != self._token:
            self._read_token = self._token
            self._read = self._read_on() or self._read_end()
        return self._read

    def lend(self) -> JournalReader:
        """Return a reader of the journal, to read on from another position at once."""
        self._lent = True
        return self._reader

    def close(self) -> None:
        """Close the journal."""
        self._reader.close()

    def _read_on(self) -> JournalRead | None:
        """Read what has come since the last reading, where that is little and whole."""
        after = self.end
        if not after.incarnation:
            return None
        # Who has borrowed the reader may have read further than the last look went.
        as_of = None if self._lent else self._token
        read = self._reader.read(after, max_points=_RECENT_POINTS, as_of=as_of)
        if read.more or read.reset or read.damage or read.incarnation != after.incarnation:
            return None
        if read.next.seq != after.seq:
            self.end = read.next
            self.recent = RecentPoints(after, read, self._packer)
        return read

    def _read_end(self) -> JournalRead:
        reader = self._reader
        read = reader.read(reader.end(), max_points=1)
        self.end = reader.end() if read.more else read.next
        self.recent = None
        return read
