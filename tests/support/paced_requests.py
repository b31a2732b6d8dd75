"""Requests through the pacing budget, on a clock that jumps from event to event, and a slow check of IB's rules."""

import asyncio
import heapq
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from services.ib_host.pacing.budget import RequestBudget
from services.ib_host.pacing.rules import PacingRules, Urgency, Wish
from tests.support.fake_clock import FakeClock

_TURNS_OF_THE_LOOP = 8
_ROUNDING = 1e-9
"""Of sums of times, in seconds."""


class JumpingClock(FakeClock):
    """Moves on by itself, to whoever sleeps shortest, once nobody has anything else to do."""

    async def run(self, task: "asyncio.Future[Any]", *, until: float = float("inf")) -> None:
        """Go on until a task is done, or a time is reached."""
        while True:
            for _ in range(_TURNS_OF_THE_LOOP):
                await asyncio.sleep(0)
            while self._sleepers and self._sleepers[0][2].done():
                heapq.heappop(self._sleepers)
            if task.done() or not self._sleepers or self._sleepers[0][0] > until:
                return
            self.advance(self._sleepers[0][0] - self.monotonic())


@dataclass(frozen=True)
class Asked:
    """A request for history, or of a person.

    Attributes:
        series: number of the contract.
        number: makes it differ from others of the series.
        what: kind of price.
        short_bars: of 30 seconds or less.
        arrives: when it is asked, seconds.
        takes: until its answer, seconds.
        person: it is a person's question, not a request for history.
    """

    series: int = 0
    number: int = 0
    what: str = "TRADES"
    short_bars: bool = True
    arrives: float = 0.0
    takes: float = 0.0
    person: bool = False

    def wish(self, rules: PacingRules) -> Wish:
        """Return what it takes."""
        if self.person:
            return Wish(Urgency.PERSON)
        series = (self.series, "SMART", self.what)
        return rules.history(short_bars=self.short_bars, series=series, identity=(*series, self.number))


@dataclass
class Wire:
    """What was sent: time and request, in order."""

    sent: list[tuple[float, Asked]] = field(default_factory=list)
    open_now: int = 0
    most_open: int = 0

    async def ask(self, budget: RequestBudget, clock: FakeClock, asked: Asked, rules: PacingRules) -> None:
        """Send one request, when it arrives and has its turn."""
        await clock.sleep(asked.arrives)
        async with budget.turn(asked.wish(rules)) as turn:
            turn.sends()
            self.sent.append((clock.monotonic(), asked))
            self.open_now += 1
            self.most_open = max(self.most_open, self.open_now)
            await clock.sleep(asked.takes)
            self.open_now -= 1


async def send_all(
    clock: JumpingClock, requests: Iterable[Asked], *, rules: PacingRules | None = None, until: float = float("inf")
) -> Wire:
    """Send requests through a fresh budget until all are answered, or a time is reached."""
    budget, wire, known = RequestBudget(clock), Wire(), rules or PacingRules()
    tasks = [asyncio.create_task(wire.ask(budget, clock, asked, known)) for asked in requests]
    whole = asyncio.gather(*tasks)
    await clock.run(whole, until=until)
    if not whole.done():
        whole.cancel()
        with suppress(asyncio.CancelledError):
            await whole
    await budget.close()
    return wire


def broken_rules(sent: Sequence[tuple[float, Asked]]) -> list[str]:
    """Return how IB's published rules were broken: every stretch that begins with a request is counted anew."""
    broken = []
    times = [time for time, _ in sent]
    for index, (begin, first) in enumerate(sent):
        until = bisect_left(times, begin + 600.0)
        later = [(time - begin + _ROUNDING, asked) for time, asked in sent[index:until]]
        history = [(age, asked) for age, asked in later if asked.short_bars and not asked.person]
        if sum(age < 1.0 for age, _ in later) > 45:
            broken.append(f"{begin}: messages")
        if sum(2 if asked.what == "BID_ASK" else 1 for age, asked in history if age < 600.0) > 60:
            broken.append(f"{begin}: ten minutes")
        if first.person or not first.short_bars:
            continue
        kind = [(age, asked) for age, asked in history if (asked.series, asked.what) == (first.series, first.what)]
        if sum(2 if asked.what == "BID_ASK" else 1 for age, asked in kind if age < 2.0) > 5:
            broken.append(f"{begin}: two seconds")
        if sum(asked.number == first.number for age, asked in kind if age < 15.0) > 1:
            broken.append(f"{begin}: identical")
    return broken
