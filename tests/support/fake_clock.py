"""Time that stands still until a test moves it."""

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta


class FakeClock:
    """A `services.common.clock.Clock` whose hands a test moves.

    Args:
        start: What `now` says at first; aware, in UTC.
    """

    def __init__(self, start: datetime = datetime(2024, 1, 2, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        wake = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), wake))
        await wake

    @property
    def sleeping(self) -> int:
        """How many wait. `await eventually(lambda: clock.sleeping)` before `advance`: then someone is woken."""
        return sum(not wake.done() for _, _, wake in self._sleepers)

    @property
    def next_due(self) -> float:
        """When the first of those who wait is woken, as `monotonic` tells time."""
        return min(due for due, _, wake in self._sleepers if not wake.done())

    def advance(self, seconds: float) -> None:
        """Move the time on and wake whoever is due; they run when the caller next awaits."""
        self._elapsed += seconds
        while self._sleepers and self._sleepers[0][0] <= self._elapsed:
            _, _, wake = heapq.heappop(self._sleepers)
            if not wake.done():
                wake.set_result(None)
