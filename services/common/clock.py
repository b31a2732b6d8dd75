"""Time, passed in so that tests can move it."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the services ask about time."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC. For display and records only."""
        ...

    def monotonic(self) -> float:
        """Return seconds since some fixed point; never goes back. For ages, timeouts and intervals."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Return the wall-clock time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the seconds of the machine's monotonic clock."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop for `seconds`."""
        await asyncio.sleep(seconds)
