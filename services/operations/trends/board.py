"""The trends of all operations at work, as their points come."""

import asyncio
import time
from collections.abc import Collection, Coroutine, Mapping, Sequence
from typing import Final, NamedTuple

import structlog
from ktrdr.operations.v1.trends_pb2 import Verdict

from services.common.clock import Clock
from services.common.errors import StatusError
from services.operations.followed_host import FollowedHost
from services.operations.live_operation import Change, LiveOperation
from services.operations.new_points import NewPoints, PackedPoints
from services.operations.operation_state import OperationState
from services.operations.registry import Registry
from services.operations.trends.attempt_trends import Mark
from services.operations.trends.closing import closing_verdicts, new_trends
from services.operations.trends.entry import Entry, marks_of, serious
from services.operations.trends.idleness import idle_seconds, resume_stall, waits
from services.operations.trends.late import LateVerdicts
from services.operations.trends.replay import BlockReader, replay
from services.operations.trends.series_names import SeriesNames
from services.operations.trends.stopping import Canceller, reason_to_stop, stop
from services.operations.trends.thresholds import Thresholds
from services.operations.trends.verdict_unit import VerdictUnit, telling

_SLICE_SECONDS: Final = 0.002
"""How long the event loop is taken at a time."""
_MANY_VALUES: Final = 500
"""Values that are left to a thread."""
_MOST_AT_ONCE: Final = 10_000
"""Values that an attempt may end with to have its verdicts at the same time."""
_MOST_IN_A_UNIT: Final = 200
"""Operations whose verdicts are stored together: putting a unit together takes the event loop."""
_REFRESH_OF_ONE_SECONDS: Final = 0.006
"""Evidence is told less often where there are many operations: so many seconds for each."""
_PAUSE_SECONDS: Final = 1.0
_REST: Final = 5.0
"""Each slice is followed by a rest of so many times what it took: thousands of operations are looked at in the course
of seconds, and nobody waits for that."""

_logger = structlog.get_logger()


class TrendBoard:
    """Keeps the verdicts of operations at work right.

    New points are only noted; each operation is looked at once in an interval, a few at a time. A warning that appears,
    ends or changes its severity is stored, and then shown. What is only good to know is shown at once, newer evidence
    now and then: both can be told again after a restart, and are stored with what else changes.

    Args:
        registry: The operations.
        reader: Questions to the store.
        hosts: All hosts by name.
        canceller: Stops operations.
        clock: The time.
        thresholds: Of the rules.
        names: Which series they look at.
        interval_seconds: Time between two looks at an operation.
        refresh_seconds: Time after which evidence that has changed is told.
    """

    def __init__(
        self,
        registry: Registry,
        reader: BlockReader,
        hosts: Mapping[str, FollowedHost],
        canceller: Canceller,
        clock: Clock,
        *,
        thresholds: Thresholds,
        names: SeriesNames,
        interval_seconds: float,
        refresh_seconds: float,
    ) -> None:
        self._registry = registry
        self._reader = reader
        self._hosts = hosts
        self._canceller = canceller
        self._clock = clock
        self._thresholds = thresholds
        self._names = names
        self._interval_seconds = interval_seconds
        self._refresh_seconds = refresh_seconds
        self._entries: dict[str, Entry] = {}
        self._touched: dict[str, Entry] = {}
        self._behind: dict[str, Entry] = {}
        self._judged: set[tuple[str, int]] = set()
        self._late: LateVerdicts | None = None
        self._anyone_behind = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, late: LateVerdicts) -> None:
        """Begin: what was found before a restart is worked out again in the background.

        Args:
            late: Looks at attempts that end before this has looked at them.
        """
        self._late = late
        for operation in self._registry.live.values():
            if operation.stored_points:
                self._leave_behind(self._enter(operation, ready=False))
        self._registry.on_points(self._note)
        self._registry.on_end(self._forget)
        self._spawn(self._look_again_and_again())
        self._spawn(self._catch_up())
        self._spawn(late.run())

    async def close(self) -> None:
        """Look at nothing any more."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def watched(self) -> int:
        """Operations that are looked at."""
        return len(self._entries)

    @property
    def behind(self) -> int:
        """Operations of which not all is known that is stored."""
        return sum(not entry.ready for entry in self._entries.values())

    def idle_seconds(self, operation: LiveOperation) -> float | None:
        """Return how long nothing has come from an operation that should have reported; None if that is not known."""
        entry = self._entries.get(operation.id)
        if entry is None or entry.operation is not operation:
            return None
        return 0.0 if waits(operation) else idle_seconds(entry, self._hosts, self._clock.monotonic())

    def closing(
        self, operation: LiveOperation, points: NewPoints | None, *, completed: bool, end_ns: int
    ) -> list[Verdict] | None:
        """Return the verdicts with which an attempt ends; None if they are not known at this moment.

        Args:
            operation: The operation.
            points: Its last points, which are stored together with its end.
            completed: The work came to its end.
            end_ns: When, nanoseconds since the Unix epoch; 0 if that is not known.
        """
        entry = self._entries.get(operation.id)
        last: list[NewPoints | PackedPoints] = [points] if points is not None else []
        if entry is not None and entry.operation is operation:
            if not entry.ready:
                return None
            trends, last = entry.trends.copy(), [*entry.waiting, *last]
        elif operation.stored_points:
            return None
        else:
            trends = new_trends(operation.record, self._thresholds, self._names)
        if sum(each.count for each in last) > _MOST_AT_ONCE:
            return None
        self._judged.add((operation.id, operation.record.attempt))
        return closing_verdicts(trends, last, operation.record, completed=completed, end_ns=end_ns)

    def _note(self, operation: LiveOperation, points: NewPoints, _revision: int) -> None:
        entry = self._entries.get(operation.id)
        if entry is None or entry.operation is not operation:
            entry = self._enter(operation, ready=operation.stored_points <= points.count)
        entry.add(points, self._clock.monotonic())
        if entry.ready:
            self._touched[operation.id] = entry
        else:
            self._leave_behind(entry)

    def _forget(self, operation: LiveOperation) -> None:
        entry = self._entries.get(operation.id)
        if entry is not None and entry.operation is operation:
            for entries in (self._entries, self._touched, self._behind):
                entries.pop(operation.id, None)
        attempt = operation.id, operation.record.attempt
        if attempt in self._judged:
            self._judged.discard(attempt)
        elif operation.stored_points and self._late is not None:
            self._late.add(*attempt)

    def _enter(self, operation: LiveOperation, *, ready: bool) -> Entry:
        now = self._clock.monotonic()
        trends = new_trends(operation.record, self._thresholds, self._names)
        marks = marks_of(operation.record.verdicts)
        spread = len(self._entries) % 100 / 100 * self._refresh_seconds  # not all at the same time
        entry = Entry(operation, trends, now, ready, missed=not ready, marks=marks, told_at=now - spread)
        self._entries[operation.id] = entry
        return entry

    def _leave_behind(self, entry: Entry) -> None:
        self._behind[entry.operation.id] = entry
        self._anyone_behind.set()

    async def _catch_up(self) -> None:
        """Read again and again what was missed, one operation after the other."""
        while True:
            if not self._behind:
                self._anyone_behind.clear()
                await self._anyone_behind.wait()
            operation_id, entry = next(iter(self._behind.items()))
            del self._behind[operation_id]
            try:
                await self._read_missed(entry)
            except Exception:  # the store may fail in many ways, and this work goes on when it is back
                _logger.exception("trends_not_read", operation_id=operation_id)
                self._leave_behind(entry)
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _read_missed(self, entry: Entry) -> None:
        operation, trends = entry.operation, entry.trends
        known = trends.incarnation in operation.positions.next_seq
        ordinal = operation.positions.ordinal(trends.incarnation) if known else 0
        start = (ordinal, trends.next_seq(trends.incarnation))
        entry.missed = False
        await self._registry.settled(operation)
        await replay(self._reader, operation.id, operation.record.attempt, trends, start)
        await asyncio.to_thread(entry.look, entry.take_waiting())
        if entry.missed:
            self._leave_behind(entry)
        elif self._entries.get(operation.id) is entry:
            entry.ready = True
            self._touched[operation.id] = entry
            resume_stall(entry, self._clock.monotonic())

    async def _look_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(self._interval_seconds)
            try:
                await self.look()
            except StatusError as error:
                _logger.warning("verdicts_not_stored", problem=str(error))

    async def look(self) -> None:
        """Look once at every operation that has new points or is overdue, and tell what has changed."""
        touched, self._touched = self._touched, {}
        try:
            await self._look(touched)
        except BaseException:
            self._touched = touched | self._touched
            raise

    async def _look(self, touched: Collection[str]) -> None:
        news: list[_News] = []
        began = time.perf_counter()
        for operation_id, entry in list(self._entries.items()):
            now = self._clock.monotonic()
            waiting = waits(entry.operation)
            if waiting:
                entry.arrived_at = now
            overdue = now - entry.arrived_at > entry.trends.patience_seconds
            if entry.ready and (operation_id in touched or overdue or (waiting and entry.stalled)):
                if entry.waiting_count > _MANY_VALUES:
                    await self._look_in_thread(entry)
                else:
                    entry.look(entry.take_waiting())
                if (found := self._news(entry, now)) is not None:
                    news.append(found)
            if (taken := time.perf_counter() - began) > _SLICE_SECONDS:
                await asyncio.sleep(_REST * taken)
                began = time.perf_counter()
        for start in range(0, len(news), _MOST_IN_A_UNIT):
            await self._store(news[start : start + _MOST_IN_A_UNIT])

    async def _look_in_thread(self, entry: Entry) -> None:
        entry.ready = False
        await asyncio.to_thread(entry.look, entry.take_waiting())
        entry.ready = not entry.missed

    def _news(self, entry: Entry, now: float) -> "_News | None":
        """Return what has to be stored of an operation; show what need not be, and act on what is known."""
        operation, trends = entry.operation, entry.trends
        if not entry.ready or operation.state.ended:
            return None
        overdue = now - entry.arrived_at > trends.patience_seconds
        idle = idle_seconds(entry, self._hosts, now) if overdue else 0.0
        if idle is None:
            return None  # nothing is known that would change anything
        marks = entry.marks
        if idle or trends.transitions != entry.transitions or entry.stalled:
            marks, entry.transitions = trends.marks(idle), trends.transitions
        if marks is not entry.marks and serious(marks) != serious(entry.marks):
            return _News(entry, marks, trends.verdicts(idle))
        refresh = max(self._refresh_seconds, len(self._entries) * _REFRESH_OF_ONE_SECONDS)
        if marks != entry.marks or now - entry.told_at >= refresh:
            entry.marks, entry.told_at = marks, now
            self._show(operation, trends.verdicts(idle))
        self._act(operation)
        return None

    def _show(self, operation: LiveOperation, verdicts: Sequence[Verdict]) -> None:
        tell = self._telling(operation, verdicts)

        def change(state: OperationState) -> bool:
            if list(state.record.verdicts) == verdicts:
                return False
            tell(state)
            return True

        self._registry.show(operation, change)

    async def _store(self, news: "Sequence[_News]") -> None:
        """Store verdicts, and then tell them."""
        changes = [(each.entry.operation, self._telling(each.entry.operation, each.verdicts)) for each in news]
        try:
            await self._registry.commits.commit(VerdictUnit(changes))
        except BaseException:
            for each in news:
                each.entry.transitions = -1
            raise
        now = self._clock.monotonic()
        for entry, marks, _ in news:
            entry.marks, entry.told_at = marks, now
            self._registry.show(entry.operation, _is_news)
            self._act(entry.operation)

    def _telling(self, operation: LiveOperation, verdicts: Sequence[Verdict]) -> Change:
        return telling(verdicts, operation.record.attempt, self._clock.now())

    def _act(self, operation: LiveOperation) -> None:
        if operation.state.settled.stop_on and (reason := reason_to_stop(operation.record, operation.record.verdicts)):
            self._spawn(stop(self._canceller, operation.id, reason))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, name="trends")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _News(NamedTuple):
    """What is to be stored of an operation."""

    entry: Entry
    marks: tuple[Mark, ...]
    verdicts: list[Verdict]


def _is_news(_: OperationState) -> bool:
    """Leave the state as it is, and have it told."""
    return True
