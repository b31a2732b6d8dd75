"""Begin the work of a session, or take it over, and follow it to its end."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Final

import structlog
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import Session

from services.common.clock import Clock
from services.common.errors import ServiceError
from services.common.files import write_atomically
from services.host.allotment import Allotment
from services.host.records import StartRecord
from services.host.runner import SessionRunner
from services.host.session import HostedSession
from services.host.settlement import Settlement, stopped
from services.host.storage import storage_full

_RETRY_SECONDS: Final = 1.0


class SessionWork:
    """Runs sessions one by one, each from its beginning to the end of its worker.

    Args:
        runner: What executes them.
        clock: Time.
        changed: Called after each change of a worker.
    """

    def __init__(self, runner: SessionRunner, clock: Clock, changed: Callable[[], None]) -> None:
        self._runner = runner
        self._clock = clock
        self._changed = changed
        self._beginning: set[asyncio.Task[None]] = set()
        self._logger = structlog.get_logger()

    async def run(self, session: HostedSession, *, adopted: bool) -> Settlement | None:
        """Do a session's work; returns when it has ended.

        Args:
            session: The session.
            adopted: It was begun in an earlier life of the host.

        Returns:
            How it ended; None where the evidence in its folder tells.
        """
        try:
            await (self._adopt(session) if adopted else self._whole(self._begin(session), session))
        except Exception as error:
            return self._not_begun(session, error)
        await self._follow(session)
        return None

    async def stop(self) -> None:
        """Finish what is being begun: nothing is left half started."""
        if self._beginning:
            await asyncio.wait(self._beginning)

    async def _begin(self, session: HostedSession) -> None:
        record = StartRecord(start_time=session.start_time or self._clock.now(), devices=list(session.devices))
        await asyncio.to_thread(write_atomically, session.folder.start_record, record.to_bytes())
        await self._runner.start(session.folder, _allotment(session))
        self._logger.info("session_started", session_id=session.id)

    async def _adopt(self, session: HostedSession) -> None:
        """Take a session over. That it cannot be done now, on a full disk say, is no reason to give the session up."""
        while True:
            try:
                await self._whole(self._runner.adopt(session.folder, _allotment(session)), session)
            except OSError as error:
                if session.cancel_reason is not None:
                    raise
                self._logger.warning("session_not_adopted", session_id=session.id, error=str(error))
                await self._clock.sleep(_RETRY_SECONDS)
            else:
                return

    async def _whole(self, beginning: Coroutine[None, None, None], session: HostedSession) -> None:
        """Run a beginning as a task of its own, which the host's stop waits for."""
        task = asyncio.create_task(beginning, name=f"begin-{session.id}")
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)
        await asyncio.shield(task)

    async def _follow(self, session: HostedSession) -> None:
        """Tell how the worker stands, until it has ended."""
        while True:
            try:
                async for view in self._runner.watch(session.folder):
                    session.see_worker(view)
                    self._changed()
            except Exception:
                # Not to see a worker is no evidence of its end.
                self._logger.exception("worker_not_seen", session_id=session.id)
                await self._clock.sleep(_RETRY_SECONDS)
            else:
                return

    def _not_begun(self, session: HostedSession, error: Exception) -> Settlement:
        if session.cancel_reason is not None:
            return stopped(session.cancel_reason, cause=session.cancel_cause)
        if isinstance(error, OSError):
            self._logger.warning("session_not_started", session_id=session.id, error=str(error))
            refusal = storage_full(session.folder.path, error)
        else:
            self._logger.error("session_not_started", session_id=session.id, exc_info=error)
            refusal = ServiceError(ErrorReason.ERROR_REASON_INTERNAL, request_id=session.id)
        return Settlement(Session.STATE_FAILED, error=refusal.status())


def _allotment(session: HostedSession) -> Allotment:
    return Allotment.of(session.options, session.devices)
