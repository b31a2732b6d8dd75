"""Time that runs faster, the same for everybody who is given it."""

import asyncio
import time
from datetime import UTC, datetime


class ScaledClock:
    """A `services.common.clock.Clock` on which seconds pass faster than they do.

    Dates are those of the machine: they are for records only.

    Args:
        speed: how many of its seconds pass in a second.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic() * self._speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)
