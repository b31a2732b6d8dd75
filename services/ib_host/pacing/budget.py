"""One budget for everything that is sent to the gateway.

Every request waits here until all of IB's rules have room for it at once; then it takes from all of them in one step.
Nothing is held while it waits.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import structlog

from services.common.clock import Clock
from services.ib_host.pacing.memory import PacingMemory
from services.ib_host.pacing.picture import PacingPicture, WindowPicture
from services.ib_host.pacing.rules import (
    ALL,
    IDENTICAL,
    LIMIT_MESSAGES_PER_SECOND,
    MESSAGES_PER_SECOND,
    MOST_OPEN,
    MOST_OPEN_FOR_LOADS,
    PAUSE_MESSAGE_SECONDS,
    SERIES,
    Rule,
    Urgency,
    Wish,
)
from services.ib_host.pacing.turn import Turn
from services.ib_host.pacing.violations import Violations
from services.ib_host.pacing.waiting import PacingWait, Waiter, WaitingLine
from services.ib_host.pacing.windows import Windows

_LOG = structlog.get_logger(__name__)
_TELL_SECONDS: Final = 1.0
_REMEMBER_SECONDS: Final = 1.0
"""Between two notes of what no hard rule counts."""
_LEAST_SLEEP_SECONDS: Final = 0.001
"""Below this a clock may not move at all, and the wait would not end."""
_WINDOWS: Final = (
    ("all", ALL, "short bars in 10 min"),
    ("series", SERIES, "short bars of one contract in 2 s"),
    ("identical", IDENTICAL, "the same request in 15 s"),
)


class RequestBudget:
    """Gives turns to send. Messages are spread evenly, as it is not published how a gateway measures a second.

    Args:
        clock: for distances, windows and pauses.
        memory: where it is kept what was used; None to forget it with the host.
        messages_per_second: highest rate.
        long_bars: the rule for bars longer than 30 seconds, to be told in the picture; None where there is none.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        memory: PacingMemory | None = None,
        messages_per_second: float = MESSAGES_PER_SECOND,
        long_bars: Rule | None = None,
    ) -> None:
        self._clock = clock
        self._memory = memory
        self._long_bars = long_bars
        self._usual_distance = 1.0 / messages_per_second
        self._next_message = clock.monotonic()
        self._messages: deque[float] = deque(maxlen=2 * LIMIT_MESSAGES_PER_SECOND)
        self._windows = Windows()
        self._violations = Violations()
        self._open: dict[Turn, None] = {}
        self._line = WaitingLine()
        self._timer: asyncio.Task[None] | None = None
        self._timer_at = 0.0
        self._saving: asyncio.Task[None] | None = None
        self._remembered_at = float("-inf")

    async def recall(self) -> None:
        """Take up what an earlier life of the host used. Before the first turn."""
        if self._memory is not None:
            sent, self._violations = await self._memory.load()
            self._windows.add(sent)

    async def close(self) -> None:
        """Look no more, and write down what still counts. After the last turn."""
        self._disarm()
        if self._saving is not None:
            await self._saving
        if self._windows.counted(self._clock.monotonic()):
            await self._remember()

    @asynccontextmanager
    async def turn(self, wish: Wish, waiting: Callable[[PacingWait], None] = lambda _: None) -> AsyncIterator[Turn]:
        """Wait for the turn to send a request, and hold its place until its answer.

        Args:
            wish: what it takes.
            waiting: called each second with how long pacing still holds it back, and with 0 s when that is over; for a
                request that windows count, also when it did not have to wait.
        """
        turn = await self._wait(wish, waiting)
        try:
            late = self._clock.monotonic() - self._remembered_at >= _REMEMBER_SECONDS
            if wish.hard or (turn.entries and late):  # before it is sent: a host that is killed has sent it, too
                await self._remember()
            yield turn
        finally:
            self._end(turn)

    def charge(self) -> None:
        """Count a message that could not wait for its turn: a cancel. The next one waits for it."""
        self._take_message(self._clock.monotonic())

    def violated(self, *, sent_at: float | None = None) -> None:
        """Take the news that IB was asked too fast: loads pause, longer each time, and the rate is halved.

        Args:
            sent_at: when the request was sent that it is about, monotonic seconds; None if that is not known.
        """
        now = self._clock.monotonic()
        if sent_at is None:
            sent_at = self._violations.noticed_at if self._violations.pause_seconds(now) else now
        if self._violations.violated(now, sent_at=sent_at):
            pause, slowdown = self._violations.pause_seconds(now), self._violations.slowdown(now)
            _LOG.warning("pacing_violation", pause_seconds=round(pause), slowdown=slowdown)
            self._serve()
            self._saving = asyncio.get_running_loop().create_task(self._remember(), name="pacing-memory")

    def picture(self) -> PacingPicture:
        """Return how much of IB's limits is used now; limits are IB's own."""
        now = self._clock.monotonic()
        rules = [*_WINDOWS, ("long", self._long_bars, "longer bars in 10 min")]
        windows = [
            WindowPicture(name, self._windows.fullest(now, kind), rule.most, rule.seconds)
            for kind, rule, name in rules
            if rule is not None
        ]
        messages = sum(now - 1.0 < at <= now for at in self._messages)
        windows.append(WindowPicture("messages in 1 s", messages, LIMIT_MESSAGES_PER_SECOND, 1.0))
        windows.append(WindowPicture("open requests", len(self._open), MOST_OPEN, None))
        return PacingPicture(
            windows=windows,
            pause_seconds=self._violations.pause_seconds(now),
            slowdown=self._violations.slowdown(now),
            waiting=len(self._line),
            violations=self._violations.counted(now),
        )

    async def _wait(self, wish: Wish, waiting: Callable[[PacingWait], None]) -> Turn:
        waiter, told = Waiter(wish, self._clock.monotonic()), wish.counted
        self._line.join(waiter)
        self._serve()
        try:
            while waiter.turn is None:
                news, waiter.news = waiter.news, None
                if news is not None:
                    waiting(news)
                    told = True
                waiter.wake = asyncio.get_running_loop().create_future()
                await waiter.wake
            if told:
                waited = self._clock.monotonic() - waiter.since
                waiting(PacingWait(0.0, self._forecast(waiter), waited))
        except BaseException:
            self._line.leave(waiter)
            if waiter.turn is not None:
                self._end(waiter.turn)
            else:
                self._serve()
            raise
        return waiter.turn

    def _serve(self) -> None:
        """Give all turns that can be given now, and look again when the next can be."""
        now = self._clock.monotonic()
        waits = self._waits(now)
        while self._line and self._next_message <= now:
            ready = [waiter for waiter, wait in waits if wait <= 0.0]
            chosen = self._line.choose(
                next((waiter for waiter in ready if waiter.wish.urgency is Urgency.PERSON), None),
                next((waiter for waiter in ready if waiter.wish.urgency is Urgency.LOAD), None),
            )
            if chosen is None:
                break
            self._give(chosen, now)
            waits = self._waits(now)
        self._tell(now, waits)
        self._arm(now, waits)

    def _waits(self, now: float) -> Sequence[tuple[Waiter, float]]:
        """Return the seconds for which rules and pauses hold each back, infinite while no place is free."""
        pause, slowdown = self._violations.pause_seconds(now), self._violations.slowdown(now)
        free = {urgency: self._has_place(urgency) for urgency in Urgency}
        return [
            (waiter, max(wait, pause if waiter.wish.pauses else 0.0) if free[waiter.wish.urgency] else float("inf"))
            for waiter, wait in self._line.window_waits(
                lambda use: self._windows.wait_seconds(now, use, slowdown=use.divisor(slowdown))
            )
        ]

    def _has_place(self, urgency: Urgency) -> bool:
        loads = sum(turn.urgency is Urgency.LOAD for turn in self._open)
        return len(self._open) < MOST_OPEN and (urgency is Urgency.PERSON or loads < MOST_OPEN_FOR_LOADS)

    def _give(self, waiter: Waiter, now: float) -> None:
        self._line.leave(waiter)
        self._take_message(now)
        slowdown = self._violations.slowdown(now)
        counting = [use for use in waiter.wish.uses if use.divisor(slowdown)]
        waiter.turn = Turn(waiter.wish.urgency, self._windows.record(now, counting), self._clock)
        self._open[waiter.turn] = None
        waiter.rouse()

    def _end(self, turn: Turn) -> None:
        del self._open[turn]
        turn.ended = True
        if turn.sent_at is None:
            self._windows.forget(turn.entries)
        self._serve()

    def _take_message(self, now: float) -> None:
        distance = self._usual_distance * self._violations.slowdown(now)
        if self._violations.pause_seconds(now):
            distance = max(distance, PAUSE_MESSAGE_SECONDS)
        self._next_message = max(self._next_message, now) + distance
        self._messages.append(now)

    def _tell(self, now: float, waits: Sequence[tuple[Waiter, float]]) -> None:
        for waiter, seconds in waits:
            if _TELL_SECONDS <= seconds < float("inf"):
                waiter.news = PacingWait(seconds, self._forecast(waiter), now - waiter.since)
                waiter.rouse()

    def _forecast(self, waiter: Waiter) -> Callable[[int], float]:
        """Tell when a load will have sent all that is left, if those that use the same windows go on taking turns."""

        def seconds(requests: int) -> float:
            now = self._clock.monotonic()
            slowdown, most = self._violations.slowdown(now), max(1, requests * self._sharing(waiter))
            windows = (
                self._windows.wait_seconds(
                    now, use, slowdown=use.divisor(slowdown), requests=most if use.repeats else 1
                )
                for use in waiter.wish.uses
            )
            messages = most * self._usual_distance * slowdown
            return max(messages, self._violations.pause_seconds(now), *windows)

        return seconds

    def _sharing(self, waiter: Waiter) -> int:
        """Return how many loads take from the same windows, this one included."""
        keys = {use.key for use in waiter.wish.uses}
        waiting = sum(
            not keys.isdisjoint(use.key for use in other.wish.uses)
            for other in self._line.of(Urgency.LOAD)
            if other is not waiter
        )
        answered = sum(
            not keys.isdisjoint(entry.key for entry in turn.entries) for turn in self._open if turn is not waiter.turn
        )
        return 1 + waiting + answered

    def _arm(self, now: float, waits: Sequence[tuple[Waiter, float]]) -> None:
        if not self._line:
            self._disarm()
            return
        nearest = min((wait for _, wait in waits), default=float("inf"))
        delay = max(_LEAST_SLEEP_SECONDS, min(_TELL_SECONDS, max(nearest, self._next_message - now)))
        if self._timer is None or now + delay < self._timer_at:
            self._disarm()
            self._timer_at = now + delay
            self._timer = asyncio.get_running_loop().create_task(self._look_later(delay), name="pacing")

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _look_later(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._timer = None
        self._serve()

    async def _remember(self) -> None:
        if self._memory is not None:
            self._remembered_at = self._clock.monotonic()
            await self._memory.save(self._windows.counted(self._clock.monotonic()), self._violations)
