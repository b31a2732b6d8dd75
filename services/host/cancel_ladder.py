"""End a worker that was asked to stop and does not."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from ktrdr.host.v1.session_pb2 import CancelStage

from services.common.clock import Clock
from services.common.files import write_atomically
from services.host.folder import SessionFolder
from services.host.records import InterruptionRecord
from services.host.runner import SessionRunner
from services.host.session import HostedSession
from services.host.stop_cause import HOST_STOP

_RETRY_SECONDS: Final = 0.05
_KILL_AGAIN_SECONDS: Final = 1.0


@dataclass(frozen=True)
class CancelGraces:
    """How long a worker may take.

    Attributes:
        cooperative_seconds: To stop by itself, from the request on.
        terminate_seconds: To end after it was interrupted.
        checkpoint_seconds: To checkpoint and stop by itself when the host stops, from the request on.
    """

    cooperative_seconds: float
    terminate_seconds: float
    checkpoint_seconds: float = 20.0


class CancelLadder:
    """Interrupts, and then kills, workers that do not stop by themselves.

    Each step is told to the session. A restart of the host goes on with what is left of the grace: the request to stop
    is durable, and so is that the worker was interrupted.

    Args:
        runner: What runs the sessions.
        graces: The time for each step.
        clock: Time.
        changed: Called after each step.
    """

    def __init__(
        self, runner: SessionRunner, graces: CancelGraces, clock: Clock, changed: Callable[[], None] = lambda: None
    ) -> None:
        self._runner = runner
        self._graces = graces
        self._clock = clock
        self._changed = changed
        self._climbs: dict[str, tuple[asyncio.Task[None], asyncio.Event]] = {}
        self._logger = structlog.get_logger()

    def start(self, session: HostedSession) -> None:
        """Begin for a session that was asked to stop, maybe a while ago. Does nothing if it has begun already."""
        if session.id not in self._climbs:
            hurry = asyncio.Event()
            task = asyncio.create_task(self._climb(session, hurry), name=f"cancel-{session.id}")
            self._climbs[session.id] = (task, hurry)

    def hurry(self, session: HostedSession) -> None:
        """Do not wait any longer for the worker to stop by itself."""
        if session.id in self._climbs:
            self._climbs[session.id][1].set()

    async def end(self, session: HostedSession) -> None:
        """The worker has ended, or the session was asked for something else."""
        climb = self._climbs.pop(session.id, None)
        if climb is not None:
            climb[0].cancel()
            (outcome,) = await asyncio.gather(climb[0], return_exceptions=True)
            if isinstance(outcome, Exception):
                self._logger.error("worker_not_pursued", session_id=session.id, exc_info=outcome)

    async def stop(self) -> None:
        """The host stops: its next life goes on with what is left of the graces."""
        climbs, self._climbs = self._climbs, {}
        for climb, _ in climbs.values():
            climb.cancel()
        await asyncio.gather(*(climb for climb, _ in climbs.values()), return_exceptions=True)

    async def _climb(self, session: HostedSession, hurry: asyncio.Event) -> None:
        interrupted_at = await asyncio.to_thread(_interrupted_at, session.folder)
        if interrupted_at is None:
            await self._ask(session, hurry)
            await self._insist(session, self._runner.terminate)
            self._logger.info("worker_interrupted", session_id=session.id)
            interrupted_at = self._clock.now()
            await self._note(session, interrupted_at)
        grace = self._left(interrupted_at, self._graces.terminate_seconds)
        self._tell(session, CancelStage.CANCEL_STAGE_INTERRUPTED, grace)
        await self._clock.sleep(grace)
        while True:
            await self._insist(session, self._runner.kill)
            self._logger.warning("worker_killed", session_id=session.id)
            self._tell(session, CancelStage.CANCEL_STAGE_KILLED, None)
            await self._clock.sleep(_KILL_AGAIN_SECONDS)

    async def _ask(self, session: HostedSession, hurry: asyncio.Event) -> None:
        """Wait for the worker to stop by itself."""
        by_host = session.cancel_cause == HOST_STOP
        whole = self._graces.checkpoint_seconds if by_host else self._graces.cooperative_seconds
        asked_at = session.cancel_time or self._clock.now()
        grace = 0.0 if session.cancel_now else self._left(asked_at, whole)
        self._tell(session, CancelStage.CANCEL_STAGE_ASKED, grace)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await hurry.wait()

    async def _note(self, session: HostedSession, at: datetime) -> None:
        """Write down that the worker was interrupted, for the next life of the host."""
        record = InterruptionRecord(interrupted_at=at)
        try:
            await asyncio.to_thread(write_atomically, session.folder.interruption_record, record.to_bytes())
        except OSError as error:
            # After a restart it would be interrupted once more: no reason not to go on.
            self._logger.warning("interruption_not_recorded", session_id=session.id, error=str(error))

    async def _insist(self, session: HostedSession, step: Callable[[SessionFolder], Awaitable[bool]]) -> None:
        """Repeat a step until there was somebody to take it: the worker may be about to be started."""
        pause = _RETRY_SECONDS
        while not await self._taken(session, step):
            await self._clock.sleep(pause)
            pause = min(2 * pause, _KILL_AGAIN_SECONDS)

    async def _taken(self, session: HostedSession, step: Callable[[SessionFolder], Awaitable[bool]]) -> bool:
        """Take a step. Returns whether there was somebody to take it, as far as that can be seen now."""
        try:
            return await step(session.folder)
        except OSError as error:
            self._logger.warning("worker_not_signalled", session_id=session.id, error=str(error))
            return False

    def _left(self, since: datetime, grace_seconds: float) -> float:
        """Return what is left of a grace, whatever was done to the machine's clock in the meantime."""
        return min(grace_seconds, max(0.0, grace_seconds - (self._clock.now() - since).total_seconds()))

    def _tell(self, session: HostedSession, stage: "CancelStage.ValueType", grace_seconds: float | None) -> None:
        next_at = None if grace_seconds is None else self._clock.now() + timedelta(seconds=grace_seconds)
        session.see_cancel(stage, next_at)
        self._changed()


def _interrupted_at(session: SessionFolder) -> datetime | None:
    try:
        record = InterruptionRecord.load(session.interruption_record)
    except OSError:
        return None
    return None if record is None else record.interrupted_at
