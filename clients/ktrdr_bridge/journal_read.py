"""What a reader asks for, and what it gets."""

from dataclasses import dataclass, field
from typing import NamedTuple

from ktrdr_bridge.points import NewRow, Series, series_of_row
from ktrdr_bridge.progress import ProgressSnapshot


class Position(NamedTuple):
    """How far a reader has read: the next row's seq, in one incarnation of the journal."""

    incarnation: str
    seq: int


class ChangingWords(NamedTuple):
    """The few bytes of a journal file that change with everything that is written to it.

    Attributes:
        file: The open file; another object for another file, whatever its descriptor.
        descriptor: Its descriptor, which the journal's reader closes.
        offset: Where they are.
        size: How many they are.
    """

    file: object
    descriptor: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Thinning:
    """What a journal that reached its bound left out to go on.

    Attributes:
        generation: How often its series were thinned.
        complete_from_seq: Rows from this seq on are all there.
        rows_left_out: How many of the rows before it aren't.
    """

    generation: int
    complete_from_seq: int
    rows_left_out: int


@dataclass(slots=True)
class JournalRead:
    """What one read found.

    Attributes:
        incarnation: Id of the journal's life; empty when there is no journal yet, or it can't be read.
        next: Where the next read goes on.
        more: There are points left; read again from `next`.
        reset: `after` was of another incarnation or beyond the end, so this read started from the first row.
        columns: New points by metric, where they are more than one row's.
        progress: How far the session is now, whatever was read.
        recording: False when the writer records no more points (bound reached, disk full).
        damage: Empty, or what couldn't be read, in a sentence.
        thinning: What was left out on purpose, or None.
        row: The new points, where there is just one row that is like the one before: what a follower mostly finds.
    """

    incarnation: str
    next: Position
    more: bool = False
    reset: bool = False
    columns: list[Series] = field(default_factory=list)
    progress: ProgressSnapshot = field(default_factory=ProgressSnapshot)
    recording: bool = True
    damage: str = ""
    thinning: Thinning | None = None
    row: NewRow | None = None

    @property
    def series(self) -> list[Series]:
        """New points, by metric."""
        if not self.columns and self.row is not None:
            self.columns = series_of_row(self.row)
        return self.columns
