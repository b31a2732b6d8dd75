"""What the board keeps of one operation at work."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ktrdr.operations.v1.trends_pb2 import SEVERITY_WARNING, VERDICT_KIND_STALLED, Verdict

from services.operations.live_operation import LiveOperation
from services.operations.new_points import NewPoints, PackedPoints
from services.operations.trends.attempt_trends import AttemptTrends, Mark
from services.operations.trends.rows import Row, rows_of

_MOST_WAITING: Final = 20_000


@dataclass(slots=True, eq=False)
class Entry:
    """The trends of the latest attempt of an operation, and what they have not looked at.

    Attributes:
        operation: The operation, at this attempt.
        trends: Its trends.
        arrived_at: Monotonic time since which nothing has come.
        ready: The trends have looked at everything that is stored, but for what waits; nobody else works on them.
        missed: Points have come that neither wait nor were looked at: they are to be read from the store.
        waiting: Points that have come since the last look.
        waiting_count: Values in them.
        marks: What was told at once of the verdicts that are stored.
        transitions: Those of the trends when they were last compared with the marks; -1 if they never were.
        told_at: Monotonic time at which verdicts were last told.
    """

    operation: LiveOperation
    trends: AttemptTrends
    arrived_at: float
    ready: bool
    missed: bool = False
    waiting: list[PackedPoints] = field(default_factory=list)
    waiting_count: int = 0
    marks: tuple[Mark, ...] = ()
    transitions: int = -1
    told_at: float = 0.0

    @property
    def stalled(self) -> bool:
        """It is told to be stalled now."""
        return any(kind == VERDICT_KIND_STALLED and active for kind, _, active, _ in self.marks)

    def add(self, points: NewPoints, now: float) -> None:
        """Take note of points that are stored. Too many at once are left to be read from the store.

        Args:
            points: The points.
            now: Monotonic time.
        """
        self.arrived_at = now
        self.waiting.append(points.kept())
        self.waiting_count += points.count
        if self.waiting_count > _MOST_WAITING:
            self.waiting, self.waiting_count = [], 0
            self.missed, self.ready = True, False

    def take_waiting(self) -> list[PackedPoints]:
        """Return what waits, to be looked at. In the event loop, as `add` is: or a point could fall between both."""
        waiting, self.waiting, self.waiting_count = self.waiting, [], 0
        return waiting

    def look(self, waiting: Iterable[PackedPoints]) -> None:
        """Let the trends look at points that have waited. It may run in a thread."""
        for points in waiting:
            take(self.trends, points)


def marks_of(verdicts: Iterable[Verdict]) -> tuple[Mark, ...]:
    """Return what of these verdicts was told at once."""
    return tuple(sorted((each.kind, each.series, each.active, each.severity) for each in verdicts))


def serious(marks: tuple[Mark, ...]) -> tuple[Mark, ...]:
    """Return the marks of verdicts that are more than good to know."""
    return tuple([mark for mark in marks if mark[3] >= SEVERITY_WARNING])


def take(trends: AttemptTrends, points: NewPoints | PackedPoints) -> None:
    """Let trends look at points."""
    series = points.series
    if points.first_seq == points.last_seq:  # one row, as mostly: every series has one point
        first = series[0]
        names = tuple([one.name for one in series])
        values = tuple([one.values[0] for one in series])
        row = Row(points.first_seq, first.steps[0], first.times[0], names, values)
        trends.take_row(points.incarnation, row)
    else:
        trends.take(points.incarnation, rows_of(series, trends.next_seq(points.incarnation)))
