"""Wait for the end of an operation."""

import asyncio
import contextlib
from typing import Any, Final

from services.common.clock import Clock
from services.common.watches import WatchLimit
from services.operations.demand import Demand
from services.operations.longrunning.facade import LongRunning
from services.operations.longrunning.names import OperationName, parse_name
from services.operations.registry import Registry

_SHARE_OF_TIME: Final = 0.8
"""Of the time that the caller gives, so that the answer is there before its deadline."""
_PAUSE_SECONDS: Final = 0.02
"""Between two looks, however much changes in the registry."""


class Waiting:
    """Lets callers wait. While somebody does, hosts are asked as fast as they have news.

    Args:
        registry: The operations.
        long_running: Tells one.
        demand: Is told that somebody waits.
        limit: Most watches at the same time; those who wait count.
        stopping: Set when the server stops.
        clock: The time.
    """

    def __init__(
        self,
        registry: Registry,
        long_running: LongRunning,
        demand: Demand,
        limit: WatchLimit,
        stopping: asyncio.Event,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._long_running = long_running
        self._demand = demand
        self._limit = limit
        self._stopping = stopping
        self._clock = clock

    async def wait(
        self, name: str, *, timeout_seconds: float | None, time_left_seconds: float | None, client: str
    ) -> Any:
        """Return a `google.longrunning.Operation` once it is done, or as it is when the time is over.

        Args:
            name: Its name.
            timeout_seconds: Longest time to wait; None for as long as the call may last.
            time_left_seconds: Time until the call is ended; None if it may last for ever.
            client: Who waits, for the limit of each client.

        Raises:
            ServiceError: OPERATION_NOT_FOUND, INVALID_REQUEST or TOO_MANY_WATCHES.
        """
        parsed = parse_name(name)
        end = self._clock.monotonic() + _longest_wait(timeout_seconds, time_left_seconds)
        # Subscribed before the first look: a change in between is not missed.
        with self._limit.hold(client), self._demand.hold(), self._registry.index.subscription() as changed:
            while True:
                changed.clear()
                if not self._goes_on(parsed) and (told := await self._long_running.get(name)).done:
                    return told
                left = end - self._clock.monotonic()
                if left <= 0 or self._stopping.is_set():
                    return await self._long_running.get(name)
                await _next_change(changed, left)

    def _goes_on(self, name: OperationName) -> bool:
        """Say, at no cost, that an operation is surely at work."""
        live = self._registry.live.get(name.operation_id)
        return live is not None and not live.state.ended and name.attempt in {None, live.record.attempt}


def _longest_wait(timeout_seconds: float | None, time_left_seconds: float | None) -> float:
    limits = [float("inf")]
    if timeout_seconds is not None:
        limits.append(max(0.0, timeout_seconds))
    if time_left_seconds is not None:
        limits.append(time_left_seconds * _SHARE_OF_TIME)
    return min(limits)


async def _next_change(changed: asyncio.Event, seconds: float) -> None:
    """Wait for the next change, for `seconds` at most."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.sleep(_PAUSE_SECONDS)
            await changed.wait()
