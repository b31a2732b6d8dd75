"""Asking the gateway for its time, now and then."""

import asyncio
import contextlib

from services.common.clock import Clock
from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.requests.failures import GatewayFailure
from services.ib_host.requests.gateway_requests import GatewayRequests


class Heartbeat:
    """Keeps the gateway's time known, and finds connections that look open and are dead.

    Args:
        connection: to the gateway.
        requests: over it; they count answers that don't come, and reconnect.
        clock: for the interval.
        interval_seconds: between two questions.
    """

    def __init__(
        self, connection: GatewayConnection, requests: GatewayRequests, *, clock: Clock, interval_seconds: float
    ) -> None:
        self._connection = connection
        self._requests = requests
        self._clock = clock
        self._interval_seconds = interval_seconds
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
            await self._connection.wait_until_up(lambda _: None)
            with contextlib.suppress(GatewayFailure):
                await self._requests.current_time()
            await self._clock.sleep(self._interval_seconds)
