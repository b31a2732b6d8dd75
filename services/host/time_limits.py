"""Tell when sessions have run over their time limits."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from services.common.clock import Clock
from services.host.session import HostedSession

_RETRY_SECONDS: Final = 1.0


class TimeLimits:
    """Watches the time limits of sessions at work. A limit counts from the start of the work, host or no host.

    Args:
        clock: Time.
        over: Asks a session to stop that has run over its limit; may raise OSError, and is then called again.
    """

    def __init__(self, clock: Clock, over: Callable[[HostedSession], Awaitable[None]]) -> None:
        self._clock = clock
        self._over = over
        self._watches: dict[str, asyncio.Task[None]] = {}

    def start(self, session: HostedSession) -> None:
        """Watch a session's limit, if it has one."""
        if session.ends_at is not None:
            self._watches[session.id] = asyncio.create_task(self._watch(session), name=f"limit-{session.id}")

    async def end(self, session: HostedSession) -> None:
        """The session has ended."""
        task = self._watches.pop(session.id, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def stop(self) -> None:
        """The host stops."""
        watches, self._watches = self._watches, {}
        for watch in watches.values():
            watch.cancel()
        await asyncio.gather(*watches.values(), return_exceptions=True)

    async def _watch(self, session: HostedSession) -> None:
        while session.ends_at is not None and (left := (session.ends_at - self._clock.now()).total_seconds()) > 0:
            await self._clock.sleep(left)
        while True:
            try:
                await self._over(session)
            except OSError as error:
                structlog.get_logger().warning("time_limit_not_enforced", session_id=session.id, error=str(error))
                await self._clock.sleep(_RETRY_SECONDS)
            else:
                return
