"""Ask sessions at work to stop: because somebody wants it, the time is over, or the host stops."""

from collections.abc import Callable

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
        self._logger = structlog.get_logger()

    def begin(self, session: HostedSession) -> None:
        """A session is at work from now on; it may have been asked to stop in an earlier life of the host."""
        if session.cancel_reason is not None:
            self._ladder.start(session)
        self._limits.start(session)

    async def end(self, session: HostedSession) -> None:
        """A session has ended, or the host stops."""
        await self._ladder.end(session)
        await self._limits.end(session)

    async def ask(self, session: HostedSession, wish: StopWish, *, at_work: bool) -> None:
        """Ask a session to stop. What was asked before stays, but a wish of somebody's replaces the host's own.

        Args:
            session: A session that has begun.
            wish: What it is asked.
            at_work: It is run here, so it is interrupted and then ended if it does not stop by itself.

        Raises:
            OSError: The request cannot be written.
        """
        replaces = session.cancel_cause == HOST_STOP and wish.cause != HOST_STOP
        if session.cancel_reason is None or replaces or (wish.now and not session.cancel_now):
            await self._runner.request_stop(session.folder, wish)
            session.cancel(wish.reason, self._clock.now(), now=wish.now, cause=wish.cause)
            self._logger.info("session_cancelling", session_id=session.id, reason=wish.reason, cause=wish.cause)
            self._changed()
        if at_work:
            if replaces:
                await self._ladder.end(session)
            self._ladder.start(session)
            if wish.now:
                self._ladder.hurry(session)

    def hurry(self, session: HostedSession) -> None:
        """Do not wait any longer for a worker to stop by itself."""
        self._ladder.hurry(session)

    async def _run_over(self, session: HostedSession) -> None:
        if session.cancel_reason is None or session.cancel_cause == HOST_STOP:
            limit = in_words(session.options.timeout.ToTimedelta())
            await self.ask(session, StopWish(f"over its time limit of {limit}", cause=TIME_LIMIT), at_work=True)
