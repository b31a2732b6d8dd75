"""What is in force at each instant: the latest that was said of it."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from services.ib_host.ledger.records import Entry, Invalidation, SpanRecord


class Piece(NamedTuple):
    """A part of a record that nothing later has overruled.

    Attributes:
        start, end: [start, end), UTC.
        record: the whole record.
    """

    start: datetime
    end: datetime
    record: SpanRecord


class Timeline:
    """The records in force, cut where later ones overrule them."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []

    def __len__(self) -> int:
        return len(self._pieces)

    def put(self, entry: Entry) -> None:
        """Let an entry overrule whatever was said of its time before."""
        low = bisect_right(self._pieces, entry.start, key=lambda piece: piece.end)
        high = bisect_left(self._pieces, entry.end, key=lambda piece: piece.start)
        kept = []
        if low < high and (first := self._pieces[low]).start < entry.start:
            kept.append(Piece(first.start, entry.start, first.record))
        if not isinstance(entry, Invalidation):
            kept.append(Piece(entry.start, entry.end, entry))
        if low < high and (last := self._pieces[high - 1]).end > entry.end:
            kept.append(Piece(entry.end, last.end, last.record))
        self._pieces[low:high] = kept

    def pieces(self, start: datetime, end: datetime) -> Iterator[Piece]:
        """Yield what is in force in [start, end), ascending, cut at its borders."""
        low = bisect_right(self._pieces, start, key=lambda piece: piece.end)
        high = bisect_left(self._pieces, end, key=lambda piece: piece.start)
        for piece in self._pieces[low:high]:
            yield Piece(max(piece.start, start), min(piece.end, end), piece.record)

    def all(self) -> Iterator[Piece]:
        """Yield everything that is in force, ascending."""
        yield from self._pieces
