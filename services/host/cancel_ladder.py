"""End a worker that was asked to stop and does not."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from services.common.clock import Clock
from services.host.folder import SessionFolder
from services.host.runner import SessionRunner

_RETRY_SECONDS: Final = 0.05
_KILL_AGAIN_SECONDS: Final = 1.0


@dataclass(frozen=True)
class CancelGraces:
    """How long a worker may take.

    Attributes:
        cooperative_seconds: To stop by itself, from the request on.
        terminate_seconds: To end after it was interrupted.
    """

    cooperative_seconds: float
    terminate_seconds: float


class CancelLadder:
    """Interrupts, and then kills, workers that do not stop by themselves.

    Args:
        runner: What runs the sessions.
        graces: The time for each step.
        clock: For pauses.
    """

    def __init__(self, runner: SessionRunner, graces: CancelGraces, clock: Clock) -> None:
        self._runner = runner
        self._graces = graces
        self._clock = clock
        self._climbs: dict[str, tuple[asyncio.Task[None], asyncio.Event]] = {}
        self._logger = structlog.get_logger()

    def start(self, session: SessionFolder, *, elapsed_seconds: float = 0.0) -> None:
        """Begin for a session that was asked to stop this long ago. Does nothing if it has begun already."""
        if session.id not in self._climbs:
            hurry = asyncio.Event()
            grace = self._graces.cooperative_seconds - elapsed_seconds
            task = asyncio.create_task(self._climb(session, hurry, grace), name=f"cancel-{session.id}")
            self._climbs[session.id] = (task, hurry)

    def hurry(self, session: SessionFolder) -> None:
        """Do not wait any longer for the worker to stop by itself."""
        if session.id in self._climbs:
            self._climbs[session.id][1].set()

    async def end(self, session: SessionFolder) -> None:
        """The worker has ended, or the host stops."""
        climb = self._climbs.pop(session.id, None)
        if climb is not None:
            climb[0].cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await climb[0]

    async def _climb(self, session: SessionFolder, hurry: asyncio.Event, grace: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, grace)):
                await hurry.wait()
        await self._insist(session, self._runner.terminate)
        self._logger.info("worker_interrupted", session_id=session.id)
        await self._clock.sleep(self._graces.terminate_seconds)
        while True:
            await self._insist(session, self._runner.kill)
            self._logger.warning("worker_killed", session_id=session.id)
            await self._clock.sleep(_KILL_AGAIN_SECONDS)

    async def _insist(self, session: SessionFolder, step: Callable[[SessionFolder], Awaitable[bool]]) -> None:
        """Repeat a step until there was somebody to take it: the worker may be about to be started."""
        while not await step(session):
            await self._clock.sleep(_RETRY_SECONDS)
