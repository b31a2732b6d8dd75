"""Follow one host: the loop that asks it what has changed."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

import structlog
from ktrdr.host.v1.host_pb2 import GetStatusResponse, Host

from services.common.clock import Clock
from services.common.errors import ServiceError
from services.operations.demand import Demand
from services.operations.followed_host import FollowedHost
from services.operations.host_errors import CursorRejected, HostCallError, HostDoesNotAnswer
from services.operations.intake import Intake, Taken
from services.operations.loop_load import LoopLoad
from services.operations.pacing import Pacing, in_turn


class StatusSource(Protocol):
    """Where a poller asks."""

    async def get_status(self, cursor: bytes, *, acked_cursor: bytes, wait_seconds: float) -> GetStatusResponse:
        """Return what changed since `cursor`, at the first change or after `wait_seconds`.

        Everything up to `acked_cursor` is stored.
        """


class HostPoller:
    """Polls one host. One poll at a time, in one task, so that answers are taken in in their order.

    Any failure in a poll is the poll's own: it is told with the host, and changes no operation.

    Args:
        host: The host; what is learnt about it is kept there.
        source: Where to ask.
        intake: Takes answers in.
        pacing: Chooses the pauses.
        demand: Whether somebody watches or waits.
        clock: The time.
        load: Whether the event loop keeps up.
        wait_seconds: Longest time for the host to keep a poll open.
        identify: Called with the identity that each answer tells; returns whether it is new, or raises HostCallError.
        told: Called after each poll with what was taken in, None after a failed one.
    """

    def __init__(
        self,
        host: FollowedHost,
        source: StatusSource,
        intake: Intake,
        pacing: Pacing,
        demand: Demand,
        clock: Clock,
        *,
        load: LoopLoad,
        wait_seconds: float,
        identify: Callable[[FollowedHost, str], bool],
        told: Callable[[FollowedHost, Taken | None], None],
    ) -> None:
        self._host = host
        self._source = source
        self._intake = intake
        self._pacing = pacing
        self._demand = demand
        self._clock = clock
        self._load = load
        self._wait_seconds = wait_seconds
        self._identify = identify
        self._told = told
        self._nudged = asyncio.Event()
        self._refreshers: list[asyncio.Future[None]] = []
        self._long_poll: asyncio.Task[GetStatusResponse] | None = None
        self._turn = 0.0
        self._asked_at = 0.0
        self._takes_turns = False
        self._address = host.address
        self._logger = structlog.get_logger().bind(host=host.name, address=host.address)

    async def run(self, first_delay_seconds: float, after: "asyncio.Task[None] | None" = None) -> None:
        """Poll until cancelled.

        Args:
            first_delay_seconds: Time before the first poll.
            after: The poller of the same host that this one takes the place of: it may still take in an answer.
        """
        try:
            if after is not None:
                await asyncio.wait({after})
            self._turn = self._clock.monotonic() + first_delay_seconds
            await self._pause(first_delay_seconds)
            while True:
                self._takes_turns = False
                try:
                    self._host.pause_seconds = await self._poll()
                except Exception:
                    self._logger.exception("poll_broken")
                    self._host.pause_seconds = self._pacing.after_failure()
                await self._pause(self._until_next_poll(self._host.pause_seconds))
        finally:
            ended = HostDoesNotAnswer(f"{self._host.name} is not followed at {self._address} any more. Try again.")
            for refreshed in self._refreshers:
                _settle(refreshed, ended)

    def nudge(self) -> None:
        """Poll now instead of after the pause."""
        self._nudged.set()

    async def refresh(self) -> None:
        """Return once an answer to a question that was asked after this call has been taken in. Callers share one poll.

        Raises:
            HostCallError: The host did not answer, or is not polled by this any more.
        """
        refreshed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._refreshers.append(refreshed)
        if self._long_poll is not None:
            self._long_poll.cancel()
        self.nudge()
        await refreshed

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._nudged.wait()
        self._nudged.clear()

    async def _poll(self) -> float:
        """Poll once and return the pause after it, in seconds."""
        refreshers, self._refreshers = self._refreshers, []
        asked_at = self._asked_at = self._clock.monotonic()
        try:
            answer = await self._ask(0.0 if refreshers or self._is_out_of_sight else self._wait_seconds)
            if answer is None:
                return 0.0
            taken = await self._take_whole(answer, asked_at)
        except asyncio.CancelledError:
            self._refreshers = refreshers + self._refreshers
            raise
        except Exception as error:
            return self._failed(error, refreshers)
        if taken.more:
            self._refreshers = refreshers + self._refreshers
            return 0.0
        for refreshed in refreshers:
            _settle(refreshed, None)
        changed, watched = taken.changed, self._demand.any
        self._takes_turns = changed and not watched
        pause_seconds = self._pacing.after_answer(changed=changed, watched=watched, now=self._clock.monotonic())
        return pause_seconds if watched else self._pacing.stretched(pause_seconds, self._load.stretch)

    def _until_next_poll(self, pause_seconds: float) -> float:
        if not self._takes_turns:
            return pause_seconds
        now = self._clock.monotonic()
        wait = in_turn(pause_seconds, asked_at=self._asked_at, now=now, turn=self._turn)
        self._turn = now + wait
        return wait

    @property
    def _is_out_of_sight(self) -> bool:
        """The host has not answered yet, or not lately: whether it is there is news in itself, and must not wait."""
        return self._host.last_success is None or self._host.failures > 0

    async def _ask(self, wait_seconds: float) -> GetStatusResponse | None:
        """Return the host's answer, or None if the long poll was given up because somebody wants to know now."""
        host = self._host
        call = asyncio.create_task(
            self._source.get_status(host.reading.cursor, acked_cursor=host.unstored.cursor, wait_seconds=wait_seconds)
        )
        self._long_poll = call if wait_seconds else None
        try:
            return await call
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return None
        finally:
            self._long_poll = None

    async def _take_whole(self, answer: GetStatusResponse, asked_at: float) -> Taken:
        """Take an answer in, and to its end where the polling ends meanwhile.

        Half of it would be lost: what is stored of it is not told again, and nobody would act on what it says.
        """
        taking = asyncio.create_task(self._take(answer, asked_at))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            await asyncio.gather(taking, return_exceptions=True)
            raise

    async def _take(self, answer: GetStatusResponse, asked_at: float) -> Taken:
        host = self._host
        cursor = host.reading.cursor
        if self._identify(host, answer.host.host_uid):
            self._logger.info("host_identified", host_uid=host.host_uid)
            if host.reading.cursor != cursor:
                self.nudge()  # this answers a cursor of another host: begin with everything
        host.kind = answer.host.kind
        description = Host()  # a new one, as a message never gives back the memory of what it told before
        description.CopyFrom(answer.host)
        host.description = description
        taken = await self._intake.take(host, cursor, answer, asked_at=asked_at)
        if host.failures:
            self._logger.info("host_answers_again", failures=host.failures)
        host.last_success = self._clock.monotonic()
        host.failures = 0
        host.problem = ""
        self._told(host, taken)
        return taken

    def _failed(self, error: Exception, refreshers: list[asyncio.Future[None]]) -> float:
        host = self._host
        if isinstance(error, CursorRejected) and host.reading.cursor:
            self._logger.warning("cursor_rejected")
            host.read_anew()
            self._refreshers = refreshers + self._refreshers
            return 0.0
        host.failures += 1
        host.problem = self._problem(error)
        self._told(host, None)
        for refreshed in refreshers:
            _settle(refreshed, HostDoesNotAnswer(host.problem))
        return self._pacing.after_failure()

    def _problem(self, error: Exception) -> str:
        if isinstance(error, HostCallError):
            if self._host.failures == 1:
                self._logger.warning("host_does_not_answer", problem=error.problem)
            return error.problem
        if isinstance(error, ServiceError):
            self._logger.error("answer_not_stored", problem=error.message)
            return error.message
        self._logger.error("answer_not_taken", exc_info=error)
        return "Its answer could not be taken in. Look into the log of the operations service."


def _settle(refreshed: asyncio.Future[None], error: HostCallError | None) -> None:
    if refreshed.done():
        return
    if error is None:
        refreshed.set_result(None)
    else:
        refreshed.set_exception(error)
