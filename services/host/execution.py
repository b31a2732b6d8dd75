"""Let accepted sessions wait in line, run them in slots, and end them."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Final

import structlog
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import Session

from services.common.clock import Clock
from services.common.errors import ServiceError
from services.common.files import write_atomically
from services.host.cancel_ladder import CancelGraces, CancelLadder
from services.host.host_identity import HostIdentity
from services.host.records import StartRecord
from services.host.runner import SessionRunner
from services.host.session import HostedSession
from services.host.settlement import Settlement, cancelled
from services.host.settler import Settler
from services.host.storage import storage_full

_RETRY_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Capacity:
    """How much a host takes on.

    Attributes:
        slots: Sessions at work at the same time.
        queue_limit: Sessions that wait for a slot.
    """

    slots: int
    queue_limit: int


class Execution:
    """Runs the sessions of a host, from the queue to the final state.

    Args:
        runner: What executes them.
        identity: Where finish numbers come from.
        clock: Time.
        capacity: Slots and places in the queue.
        graces: Time that a cancelled worker gets.
        changed: Called after each change of any session.
        finished: Called with each session that was settled, before `changed`.
    """

    def __init__(
        self,
        runner: SessionRunner,
        *,
        identity: HostIdentity,
        clock: Clock,
        capacity: Capacity,
        graces: CancelGraces,
        changed: Callable[[], None],
        finished: Callable[[HostedSession], None],
    ) -> None:
        self.capacity = capacity
        self._runner = runner
        self._clock = clock
        self._changed = changed
        self._finished = finished
        self._settler = Settler(identity, clock, self._on_settled)
        self._ladder = CancelLadder(runner, graces, clock)
        self._line: deque[HostedSession] = deque()
        self._running: dict[str, tuple[HostedSession, asyncio.Task[None]]] = {}
        self._beginning: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._logger = structlog.get_logger()

    @property
    def running_count(self) -> int:
        """Sessions at work."""
        return len(self._running)

    @property
    def queued_count(self) -> int:
        """Sessions that wait for a slot."""
        return len(self._line)

    def open(self) -> None:
        """Begin to work."""
        self._settler.start()

    def enqueue(self, session: HostedSession) -> None:
        """Put a new session at the end of the line; it begins at once where a slot is free."""
        self._line.append(session)
        self._advance()

    def adopt(self, session: HostedSession) -> None:
        """Go on with a session that was begun in an earlier life of the host."""
        self._run(session, adopted=True)

    async def settle(self, session: HostedSession, settlement: Settlement) -> None:
        """Give a session its final state that is not run here: a process of its own had opened it."""
        await self._settler.settle(session, settlement)

    async def cancel(self, session: HostedSession, *, reason: str, now: bool) -> None:
        """Ask a session to stop; the request is durable when this returns. Does nothing to one that has ended.

        Raises:
            OSError: The request cannot be written.
        """
        if session.settled is not None:
            return
        if session.start_time is None:
            await self._cancel_queued(session, reason)
            return
        if session.cancel_reason is None:
            await self._runner.request_stop(session.folder, reason)
            session.cancel(reason, self._clock.now())
            self._logger.info("session_cancelling", session_id=session.id, reason=reason)
            self._changed()
        if session.id in self._running:
            self._ladder.start(session.folder)
            if now:
                self._ladder.hurry(session.folder)

    def begin_stop(self) -> None:
        """Begin no further session from now on; what is queued waits for the next start of the host."""
        self._stopping = True

    async def stop_running(self, *, reason: str, limit_seconds: float) -> None:
        """Cancel all sessions at work and wait for their end.

        The requests are durable: a worker that is not done in time is ended by the next start of the host.

        Args:
            reason: Why, for people.
            limit_seconds: Longest time to wait. After half of it workers are interrupted, whatever their grace.
        """
        running = list(self._running.values())
        for now in (False, True):
            for session, _ in running:
                await self.cancel(session, reason=reason, now=now)
            if running:
                await asyncio.wait([task for _, task in running], timeout=limit_seconds / 2)

    async def stop(self) -> None:
        """Let go of everything. Workers that are processes go on; the next start of the host adopts them."""
        self._stopping = True
        if self._beginning:
            await asyncio.wait(self._beginning)
        running = list(self._running.values())
        for session, task in running:
            task.cancel()
            await self._ladder.end(session.folder)
        await asyncio.gather(*(task for _, task in running), return_exceptions=True)
        await self._runner.shutdown()
        await self._settler.stop()

    def _advance(self) -> None:
        """Begin what there are slots for, and tell the others their places."""
        while self._line and not self._stopping and self.running_count < self.capacity.slots:
            session = self._line.popleft()
            session.begin(self._clock.now())
            self._run(session, adopted=False)
        for position, session in enumerate(self._line, start=1):
            session.wait_in_line(position)
        self._changed()

    def _run(self, session: HostedSession, *, adopted: bool) -> None:
        task = asyncio.create_task(self._work(session, adopted=adopted), name=f"session-{session.id}")
        self._running[session.id] = (session, task)
        if session.cancel_reason is not None:
            asked = session.cancel_time or self._clock.now()
            self._ladder.start(session.folder, elapsed_seconds=(self._clock.now() - asked).total_seconds())

    async def _work(self, session: HostedSession, *, adopted: bool) -> None:
        settlement: Settlement | None = None
        try:
            await (self._adopt(session) if adopted else self._whole(self._begin(session), session))
        except Exception as error:
            settlement = self._not_begun(session, error)
        else:
            await self._follow(session)
        await self._settler.settle(session, settlement)
        await self._ladder.end(session.folder)
        del self._running[session.id]
        self._advance()

    async def _begin(self, session: HostedSession) -> None:
        record = StartRecord(start_time=session.start_time or self._clock.now())
        await asyncio.to_thread(write_atomically, session.folder.start_record, record.to_bytes())
        await self._runner.start(session.folder)
        self._logger.info("session_started", session_id=session.id)

    async def _adopt(self, session: HostedSession) -> None:
        """Take a session over. That it cannot be done now, on a full disk say, is no reason to give the session up."""
        while True:
            try:
                await self._whole(self._runner.adopt(session.folder), session)
            except OSError as error:
                if session.cancel_reason is not None:
                    raise
                self._logger.warning("session_not_adopted", session_id=session.id, error=str(error))
                await self._clock.sleep(_RETRY_SECONDS)
            else:
                return

    async def _whole(self, beginning: Coroutine[None, None, None], session: HostedSession) -> None:
        """Run a beginning as a task of its own, which the host's stop waits for: nothing is left half started."""
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
            return Settlement(Session.STATE_CANCELLED, error=cancelled(session.cancel_reason))
        if isinstance(error, OSError):
            self._logger.warning("session_not_started", session_id=session.id, error=str(error))
            refusal = storage_full(session.folder.path, error)
        else:
            self._logger.error("session_not_started", session_id=session.id, exc_info=error)
            refusal = ServiceError(ErrorReason.ERROR_REASON_INTERNAL, request_id=session.id)
        return Settlement(Session.STATE_FAILED, error=refusal.status())

    async def _cancel_queued(self, session: HostedSession, reason: str) -> None:
        if session in self._line:
            self._line.remove(session)
            session.cancel(reason, self._clock.now())
        await self._settler.settle(
            session, Settlement(Session.STATE_CANCELLED, error=cancelled(session.cancel_reason or ""))
        )
        self._advance()

    def _on_settled(self, session: HostedSession) -> None:
        self._logger.info("session_ended", session_id=session.id, state=Session.State.Name(session.state))
        self._finished(session)
        self._changed()
