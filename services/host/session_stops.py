"""Ask sessions at work to stop: because somebody wants it, the time is over, or the host stops."""

import asyncio
from collections.abc import Callable
from weakref import WeakKeyDictionary

import structlog

from services.common.clock import Clock
from services.host.cancel_ladder import CancelGraces, CancelLadder
from services.host.end_reason import in_words
from services.host.runner import SessionRunner, StopWish
from services.host.session import HostedSession
from services.host.stop_cause import HOST_STOP, TIME_LIMIT
from services.host.time_limits import TimeLimits


class SessionStops:
    """Asks sessions to stop, and sees to it that those which are at work here do.

    Args:
        runner: What executes them.
        graces: Time that a worker gets which was asked to stop.
        clock: Time.
        changed: Called after each change.
    """

    def __init__(self, runner: SessionRunner, graces: CancelGraces, clock: Clock, changed: Callable[[], None]) -> None:
        self._runner = runner
        self._clock = clock
        self._changed = changed
        self._ladder = CancelLadder(runner, graces, clock, changed)
        self._limits = TimeLimits(clock, self._run_over)
        self._turns: WeakKeyDictionary[HostedSession, asyncio.Lock] = WeakKeyDictionary()
        self._asking: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._logger = structlog.get_logger()

    def begin(self, session: HostedSession) -> None:
        """A session is at work from now on; it may have been asked to stop in an earlier life of the host."""
        if session.cancel_reason is not None:
            self._ladder.start(session)
        self._limits.start(session)

    async def end(self, session: HostedSession) -> None:
        """A session has ended."""
        # The ladder last: a limit that is just being reached would begin it again.
        await self._limits.end(session)
        await self._ladder.end(session)

    async def stop(self) -> None:
        """Finish what is being asked, and let go of everything: the host stops."""
        self._stopping = True
        await self._limits.stop()
        if self._asking:
            await asyncio.wait(self._asking)
        await self._ladder.stop()

    async def ask(self, session: HostedSession, wish: StopWish, *, at_work: bool) -> None:
        """Ask a session to stop. What was asked before stays, but a wish of somebody's replaces the host's own.

        A caller that goes away does not cut it off: what is durable is pursued. A session that has ended, or ends
        meanwhile, is left alone.

        Args:
            session: A session that has begun.
            wish: What it is asked.
            at_work: It is run here, so it is interrupted and then ended if it does not stop by itself.

        Raises:
            OSError: The request cannot be written.
        """
        asking = asyncio.create_task(self._ask(session, wish, at_work=at_work), name=f"ask-{session.id}")
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)
        await asyncio.shield(asking)

    def hurry(self, session: HostedSession) -> None:
        """Do not wait any longer for a worker to stop by itself."""
        self._ladder.hurry(session)

    async def _ask(self, session: HostedSession, wish: StopWish, *, at_work: bool) -> None:
        # One wish at a time: two that are written at once would each take what was asked before for the whole truth.
        async with self._turns.setdefault(session, asyncio.Lock()):
            replaces = session.cancel_cause == HOST_STOP and wish.cause != HOST_STOP
            is_new = session.cancel_reason is None or replaces or (wish.now and not session.cancel_now)
            if is_new and session.settled is None:
                await self._runner.request_stop(session.folder, wish)
            # Looked at again: it may have ended while the request was written, and nobody would end its ladder then.
            if is_new and session.settled is None:
                session.cancel(wish.reason, self._clock.now(), now=wish.now, cause=wish.cause)
                self._logger.info("session_cancelling", session_id=session.id, reason=wish.reason, cause=wish.cause)
                self._changed()
            if at_work and replaces:
                await self._ladder.end(session)
            if at_work and session.settled is None and not self._stopping:
                self._ladder.start(session)
                if wish.now:
                    self._ladder.hurry(session)

    async def _run_over(self, session: HostedSession) -> None:
        if session.cancel_reason is None or session.cancel_cause == HOST_STOP:
            limit = in_words(session.options.timeout.ToTimedelta())
            await self.ask(session, StopWish(f"over its time limit of {limit}", cause=TIME_LIMIT), at_work=True)
