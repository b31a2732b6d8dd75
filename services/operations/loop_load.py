"""Whether the event loop keeps up, and how much longer hosts are left alone where it does not.

One question for two seconds of news costs hardly more than one for a single second. So when there is more to do than
time, asking less often gives the time back, and everybody's news is a little older: asking as often as ever would let
some wait for many seconds.
"""

import asyncio
import statistics
from collections.abc import Awaitable, Callable
from typing import Final

from services.common.clock import Clock

_LOOKS: Final = 20
_LOOK_SECONDS: Final = 0.05
_BUSY_SECONDS: Final = 0.006
_IDLE_SECONDS: Final = 0.003
_LONGER: Final = 1.04
_SHORTER: Final = 1.25
_MOST: Final = 5.0


class LoopLoad:
    """Measures how late the event loop comes to what is due.

    Args:
        clock: The time.
        sleep: Waits for so many seconds.

    Attributes:
        stretch: By how many times a pause between two questions to a host is to be longer, 1 to 5.
    """

    def __init__(self, clock: Clock, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self.stretch = 1.0

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            late = [await self._lateness() for _ in range(_LOOKS)]
            self.stretch = next_stretch(self.stretch, statistics.median(late))

    async def _lateness(self) -> float:
        began = self._clock.monotonic()
        await self._sleep(_LOOK_SECONDS)
        return max(0.0, self._clock.monotonic() - began - _LOOK_SECONDS)


def next_stretch(stretch: float, late_seconds: float) -> float:
    """Return the stretch that follows.

    Args:
        stretch: The present one.
        late_seconds: How late the event loop was, the median: single long steps are no lack of time.
    """
    if late_seconds > _BUSY_SECONDS:
        return min(stretch * _LONGER, _MOST)
    if late_seconds < _IDLE_SECONDS:
        return max(stretch / _SHORTER, 1.0)
    return stretch
