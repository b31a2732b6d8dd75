"""Follow one session until the process that opened it has closed it, or has ended."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from services.common.clock import Clock
from services.host.attached.evidence import judge_attached, look
from services.host.attached.records import NO_PROCESS, AttachedRecord
from services.host.process_end import process_ended
from services.host.runner import Liveness, WorkerView
from services.host.session import HostedSession
from services.host.settlement import Settlement

_LOOK_SECONDS: Final = 2.0
"""How often a session is looked at whose process this host does not see (it runs in a container, say)."""


class Follower:
    """Waits for the end of one session, without doing anything until then.

    Args:
        session: The session.
        opened: Who opened it; None where that cannot be read.
        settle: Gives it its final state.
        changed: Called after each change of the session.
        clock: For pauses.

    Attributes:
        folder: The session's files.
    """

    def __init__(
        self,
        session: HostedSession,
        opened: AttachedRecord | None,
        *,
        settle: Callable[[HostedSession, Settlement], Awaitable[None]],
        changed: Callable[[], None],
        clock: Clock,
    ) -> None:
        self.folder = session.folder
        self._session = session
        self._opened = opened
        self._pid = NO_PROCESS if opened is None else opened.pid
        self._settle = settle
        self._changed = changed
        self._clock = clock
        self._news = asyncio.Event()
        self._seen_alive = False
        self._view: WorkerView | None = None
        self._logger = structlog.get_logger()

    def nudge(self) -> None:
        """Look at the session now: its end may have been written down."""
        self._news.set()

    async def follow(self) -> None:
        """Return when the session has its final state."""
        process = asyncio.create_task(self._process_ended(), name=f"process-{self._session.id}")
        try:
            while not await self._has_ended():
                await self._wait(process)
        finally:
            process.cancel()
            await asyncio.gather(process, return_exceptions=True)
        settlement = await asyncio.to_thread(
            judge_attached,
            self._session.folder,
            pid=self._pid,
            cancel_reason=self._session.cancel_reason,
            seen_alive=self._seen_alive,
        )
        await self._settle(self._session, settlement)

    async def _has_ended(self) -> bool:
        self._news.clear()
        try:
            view = await asyncio.to_thread(look, self._session.folder, self._pid)
        except OSError as error:
            # Not to see a process is no evidence of its end.
            self._logger.warning("attached_session_not_seen", session_id=self._session.id, error=str(error))
            view = WorkerView(Liveness.STALE, self._pid)
        if view.liveness is Liveness.ENDED:
            return True
        self._seen_alive = self._seen_alive or view.liveness is Liveness.ALIVE
        if view != self._view:
            self._view = view
            self._session.see_worker(view)
            self._changed()
        return False

    async def _wait(self, process: asyncio.Task[None]) -> None:
        """Wait until there may be news: at the end of the process, or when the folder's files say something."""
        news = asyncio.create_task(self._news.wait(), name=f"news-{self._session.id}")
        pause = None
        if process.done() or self._view is None or self._view.liveness is Liveness.STALE:
            pause = asyncio.create_task(self._clock.sleep(_LOOK_SECONDS), name=f"pause-{self._session.id}")
        waits = [task for task in (news, pause, None if process.done() else process) if task is not None]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ours = [task for task in (news, pause) if task is not None]
            for task in ours:
                task.cancel()
            await asyncio.gather(*ours, return_exceptions=True)

    async def _process_ended(self) -> None:
        if self._opened is None:
            return
        await process_ended(self._opened.pid, self._opened.start_ticks, self._opened.boot_id)
