"""Asking the gateway for its time, now and then."""

import asyncio
import contextlib
from typing import Final

from services.common.clock import Clock
from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.requests.failures import FailureKind, GatewayFailure
from services.ib_host.requests.gateway_requests import GatewayRequests

_MOST_SILENCES: Final = 2
_LONGEST_SECONDS: Final = 10.0
"""For an answer that the gateway has at hand, behind others on the same socket."""


class Heartbeat:
    """Keeps the gateway's time known, and finds connections that look open and are dead, or say nothing readable.

    It asks at each interval, and at once when another request has no answer. A connection on which this goes without an
    answer twice in a row is given up.

    Args:
        connection: to the gateway.
        requests: over it.
        clock: for the interval.
        interval_seconds: between two questions.
        timeout_seconds: for each answer, at most ten.
    """

    def __init__(
        self,
        connection: GatewayConnection,
        requests: GatewayRequests,
        *,
        clock: Clock,
        interval_seconds: float,
        timeout_seconds: float = _LONGEST_SECONDS,
    ) -> None:
        self._connection = connection
        self._requests = requests
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._timeout_seconds = min(timeout_seconds, _LONGEST_SECONDS)
        self._silences = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to ask."""
        self._task = asyncio.get_running_loop().create_task(self._beat(), name="gateway-heartbeat")

    async def stop(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _beat(self) -> None:
        while True:
            await self._connection.wait_until_open()
            if await self._is_silent():
                self._silences += 1
                if self._silences >= _MOST_SILENCES:
                    self._silences = 0
                    self._connection.drop("The gateway does not answer any more, not even with its time.")
            else:
                self._silences = 0
                await self._pause()

    async def _is_silent(self) -> bool:
        try:
            await self._requests.current_time(timeout_seconds=self._timeout_seconds)
        except GatewayFailure as failure:
            return failure.kind is FailureKind.TIMEOUT
        finally:
            self._requests.doubt.clear()
        return False

    async def _pause(self) -> None:
        loop = asyncio.get_running_loop()
        either = {
            loop.create_task(self._clock.sleep(self._interval_seconds)),
            loop.create_task(self._requests.doubt.wait()),
        }
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in either:
                task.cancel()
            await asyncio.wait(either)
