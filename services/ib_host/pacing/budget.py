"""One budget for everything that is sent to the gateway.

IB takes 50 messages a second from a client and 50 open requests for history; more is an error, and the third error a
disconnect. How a gateway measures a second is not published, so messages are spread evenly below that rate.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from services.common.clock import Clock

MESSAGES_PER_SECOND: Final = 40
MOST_HISTORY_REQUESTS: Final = 45
MOST_OTHER_REQUESTS: Final = 4
"""Kept apart, so that a small question never waits behind long loads."""
PAUSES_SECONDS: Final = (15.0, 60.0, 600.0)
"""After the first, second and each further violation in a row."""
_SLOWEST_DISTANCE_SECONDS: Final = 1.0


class RequestBudget:
    """Spaces messages, bounds open requests, and pauses history after a violation.

    Args:
        clock: for distances and pauses.
        messages_per_second: highest rate.
        pauses_seconds: see PAUSES_SECONDS.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        messages_per_second: float = MESSAGES_PER_SECOND,
        pauses_seconds: tuple[float, ...] = PAUSES_SECONDS,
    ) -> None:
        self._clock = clock
        self._usual_distance = 1.0 / messages_per_second
        self._distance = self._usual_distance
        self._pauses_seconds = pauses_seconds
        self._next_message = clock.monotonic()
        self._paused_until = clock.monotonic()
        self._violations = 0
        self._history = asyncio.Semaphore(MOST_HISTORY_REQUESTS)
        self._others = asyncio.Semaphore(MOST_OTHER_REQUESTS)

    @asynccontextmanager
    async def history_request(self, waiting: Callable[[float], None] = lambda _: None) -> AsyncIterator[None]:
        """Hold a place for one request for history, from its turn to be sent until its answer.

        Args:
            waiting: called with the seconds that a pause after a violation still lasts.
        """
        async with self._history:
            while (left := self._paused_until - self._clock.monotonic()) > 0:
                waiting(left)
                await self._clock.sleep(min(left, 1.0))
            await self._turn()
            yield

    @asynccontextmanager
    async def other_request(self) -> AsyncIterator[None]:
        """Hold a place for any other request."""
        async with self._others:
            await self._turn()
            yield

    def charge(self) -> None:
        """Count a message that could not wait for its turn: a cancel. The next one waits for it."""
        self._next_message = max(self._next_message, self._clock.monotonic()) + self._distance

    def violated(self) -> None:
        """Take the news that IB was asked too fast: history pauses, longer each time, and the rate is halved."""
        pause = self._pauses_seconds[min(self._violations, len(self._pauses_seconds) - 1)]
        self._violations += 1
        self._paused_until = max(self._paused_until, self._clock.monotonic() + pause)
        self._distance = min(_SLOWEST_DISTANCE_SECONDS, self._distance * 2)

    def answered(self) -> None:
        """Take the news that history was answered: the rate recovers step by step."""
        self._violations = 0
        self._distance = max(self._usual_distance, self._distance * 0.9)

    async def _turn(self) -> None:
        now = self._clock.monotonic()
        mine = max(now, self._next_message)
        self._next_message = mine + self._distance
        if mine > now:
            await self._clock.sleep(mine - now)
