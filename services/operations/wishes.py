"""Bring to hosts what operations want of them: a start, and perhaps a stop.

Each operation with an open wish has one task, which sends one thing at a time: so wishes arrive in order. The wishes
themselves are in the store; after a restart they are pursued again.
"""

import asyncio
import contextlib
import random
from collections.abc import Mapping
from typing import Final, Protocol

import structlog
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.clock import Clock
from services.operations.demand import Demand
from services.operations.followed_host import FollowedHost, owner_of
from services.operations.host_errors import HostCallError, HostHasNoRoom, HostRefuses, SessionUnknown
from services.operations.live_operation import LiveOperation
from services.operations.losses import Losses
from services.operations.operation_state import Delivery
from services.operations.placement import NoPlaceYet, Placement
from services.operations.registry import Registry
from services.operations.session_update import is_removed
from services.operations.wish_outcomes import WishOutcomes

_FIRST_RETRY_SECONDS: Final = 0.5
_LONGEST_RETRY_SECONDS: Final = 30.0
_LONGEST_WAIT_FOR_ROOM_SECONDS: Final = 5.0
_LOOK_FOR_HOST_SECONDS: Final = 5.0


class SessionHost(Protocol):
    """A host that wishes are sent to."""

    async def start(self, operation: pb.Operation) -> Session:
        """Start the session of an operation. Asking twice starts it once."""

    async def cancel(self, session_id: str, *, reason: str, now: bool) -> Session:
        """Ask a session to stop."""


class Wishes:
    """Pursues open wishes.

    Args:
        registry: The operations.
        hosts: All hosts by name.
        connections: Connections to them by name.
        placement: Chooses hosts.
        losses: Is told of what hosts do not know any more.
        demand: Has hosts looked at when they have taken something.
        clock: The time.
        rng: Source of the jitter between tries.
    """

    def __init__(
        self,
        registry: Registry,
        hosts: Mapping[str, FollowedHost],
        connections: Mapping[str, SessionHost],
        placement: Placement,
        losses: Losses,
        demand: Demand,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._registry = registry
        self._hosts = hosts
        self._connections = connections
        self._placement = placement
        self._rng = rng
        self._demand = demand
        self._outcomes = WishOutcomes(registry, losses, clock)
        # By operation and not by id: a new attempt does not wait until the task of the last one has taken notice.
        self._tasks: dict[LiveOperation, asyncio.Task[None]] = {}
        self._wake: dict[LiveOperation, asyncio.Event] = {}
        self._stops: dict[str, asyncio.Task[None]] = {}

    def resume(self) -> None:
        """Pursue everything that the store has open."""
        for operation in self._registry.live.values():
            if _is_open(operation):
                self.pursue(operation)

    def pursue(self, operation: LiveOperation) -> None:
        """Send what the operation wants, now and until it has arrived."""
        wake = self._wake.setdefault(operation, asyncio.Event())
        wake.set()
        if operation not in self._tasks:
            task = asyncio.create_task(self._pursue(operation, wake), name=f"wishes of {operation.id}")
            self._tasks[operation] = task

    def try_again(self) -> None:
        """Try everything again that waits: a host answers, or takes work, that did not before."""
        for wake in self._wake.values():
            wake.set()

    def stop_session(self, host: str, session_id: str) -> None:
        """Ask a host to stop a session that nobody follows any more."""
        if session_id not in self._stops:
            task = asyncio.create_task(self._stop_session(host, session_id), name=f"stop of {session_id}")
            self._stops[session_id] = task
            task.add_done_callback(lambda _: self._stops.pop(session_id))

    async def close(self) -> None:
        """End all tasks. What is still wanted is in the store."""
        tasks = [*self._tasks.values(), *self._stops.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pursue(self, operation: LiveOperation, wake: asyncio.Event) -> None:
        logger = structlog.get_logger().bind(operation_id=operation.id)
        tries = 0
        try:
            while _is_open(operation):
                wake.clear()
                try:
                    pause = await self._step(operation, again=tries > 0)
                except HostCallError as error:
                    pause = self._retry_seconds(tries)
                    self._outcomes.show_wait(operation, f"host {operation.record.host}: {error.problem}")
                except Exception:
                    pause = self._retry_seconds(tries)
                    logger.exception("wish_failed")
                tries = tries + 1 if pause else 0
                await _wait(wake, pause)
        finally:
            self._tasks.pop(operation, None)
            self._wake.pop(operation, None)

    async def _step(self, operation: LiveOperation, *, again: bool) -> float:
        """Send the next thing; return the time to wait before the next step, in seconds.

        Args:
            operation: What wants something.
            again: The same may have been sent before.
        """
        if operation.state.delivery is Delivery.NEW:
            return await self._place(operation)
        host = owner_of(self._hosts, operation.state)
        connection = self._connections.get(host.name) if host is not None else None
        if host is None or connection is None or not _is_surely(host, operation, again=again):
            return _LOOK_FOR_HOST_SECONDS  # tried again as soon as a host comes into sight
        if operation.record.cancel_requested:
            return await self._send_stop(operation, host, connection)
        return await self._send_start(operation, host, connection)

    async def _place(self, operation: LiveOperation) -> float:
        try:
            host = self._placement.choose(
                operation.record.type,
                operation.state.wanted_host,
                gpus=operation.record.options.gpus,
                preferred=last_host(operation.record),
            )
        except NoPlaceYet as error:
            self._outcomes.show_wait(operation, error.wait_reason)
            return _LOOK_FOR_HOST_SECONDS
        await self._outcomes.sent_to(operation, host)
        return 0.0

    async def _send_start(self, operation: LiveOperation, host: FollowedHost, connection: SessionHost) -> float:
        try:
            session = await connection.start(operation.record)
        except HostRefuses as error:
            await self._outcomes.refused(operation, host, error.status)
            return 0.0
        except HostHasNoRoom as error:
            asked = error.retry_after.total_seconds() if error.retry_after else _LONGEST_WAIT_FOR_ROOM_SECONDS
            pause = min(asked, _LONGEST_WAIT_FOR_ROOM_SECONDS)
            await self._outcomes.no_room(operation, f"host {host.name} takes nothing more now: {error.problem}")
            return pause
        await self._outcomes.accepted(operation, host, session)
        self._demand.look_now()
        return 0.0

    async def _send_stop(self, operation: LiveOperation, host: FollowedHost, connection: SessionHost) -> float:
        record, urgent = operation.record, operation.state.cancel_now
        try:
            session = await connection.cancel(record.session_id, reason=record.cancel_reason, now=urgent)
        except SessionUnknown:
            await self._outcomes.stopped_unknown(operation, host)
            return 0.0 if operation.state.ended else _LOOK_FOR_HOST_SECONDS  # the host may know it again
        if is_removed(session):
            await self._outcomes.ended_before(operation, host, session)
            return 0.0
        await self._outcomes.stop_taken(operation, urgent=urgent)
        self._demand.look_now()
        return 0.0

    async def _stop_session(self, host: str, session_id: str) -> None:
        logger = structlog.get_logger().bind(host=host, session_id=session_id)
        connection = self._connections.get(host)
        if connection is None:
            return  # it is not followed any more; if it is again, it tells of the session again
        try:
            await connection.cancel(session_id, reason="its operation has ended", now=False)
        except HostCallError as error:
            logger.warning("abandoned_session_not_stopped", problem=error.problem)
        else:
            logger.info("abandoned_session_stopped")

    def _retry_seconds(self, tries: int) -> float:
        ceiling = min(_FIRST_RETRY_SECONDS * 2 ** min(tries, 10), _LONGEST_RETRY_SECONDS)
        return self._rng.uniform(ceiling / 2, ceiling)


def _is_surely(host: FollowedHost, operation: LiveOperation, *, again: bool) -> bool:
    """Tell whether what answers at the address of a host is the host that the operation was sent to.

    Before the first answer in this life of the registry, and after failures, another may have come in its place: a
    start that is sent again could run twice.
    """
    return host.host_uid == operation.state.host_uid and host.last_success is not None and not (again and host.failures)


def _is_open(operation: LiveOperation) -> bool:
    state = operation.state
    if state.ended or operation.refused or operation.withdrawn:
        return False
    return state.delivery is not Delivery.ACCEPTED or (state.record.cancel_requested and not state.cancel_sent)


def last_host(record: pb.Operation) -> str:
    """Return the name of the host that had the attempt before; empty for a first one."""
    return record.past_attempts[-1].host if record.past_attempts else ""


async def _wait(wake: asyncio.Event, seconds: float) -> None:
    if seconds <= 0:
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wake.wait()
