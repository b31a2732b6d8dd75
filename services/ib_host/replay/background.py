"""What is still to be done later."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from services.common.clock import Clock

_LOG = structlog.get_logger(__name__)


class Background:
    """Work that waits until it is due, or is dropped.

    Args:
        clock: by which it waits.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    def later(self, seconds: float, work: Callable[[], Awaitable[None] | None]) -> None:
        """Do something after `seconds`, and wait for it where it takes time."""
        task = asyncio.get_running_loop().create_task(self._wait(seconds, work))
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    async def cancel_all(self) -> None:
        """Drop all that still waits."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait(self, seconds: float, work: Callable[[], Awaitable[None] | None]) -> None:
        await self._clock.sleep(seconds)
        awaitable = work()
        if awaitable is not None:
            await awaitable

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("delayed_work_failed", exc_info=error)
