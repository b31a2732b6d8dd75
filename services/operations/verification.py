"""Ask a host that has come into sight for the sessions that it has told nothing of for long.

A host tells what has changed since a cursor. What it took, ended and removed while nobody listened, for longer than it
waits for its readers, is in no answer: its operation would be at work for ever.
"""

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol

import structlog
from ktrdr.host.v1.session_pb2 import Session

from services.common.clock import Clock
from services.operations.followed_host import FollowedHost
from services.operations.host_errors import HostCallError, SessionUnknown
from services.operations.live_operation import LiveOperation
from services.operations.losses import Losses
from services.operations.operation_state import Delivery
from services.operations.registry import Registry
from services.operations.session_update import is_removed
from services.operations.wish_outcomes import WishOutcomes

_TOLD_LATELY_SECONDS: Final = 60.0


class SessionSource(Protocol):
    """Where sessions are asked for."""

    async def get_session(self, session_id: str) -> Session:
        """Return a session, or what is left of it."""


class Verification:
    """Finds operations whose sessions their hosts no longer have, on the evidence of these hosts.

    Args:
        registry: The operations.
        connections: Where to ask, by name of the host.
        losses: Is told of what hosts do not know any more.
        clock: The time.
    """

    def __init__(
        self, registry: Registry, connections: Mapping[str, SessionSource], losses: Losses, clock: Clock
    ) -> None:
        self._registry = registry
        self._connections = connections
        self._clock = clock
        self._losses = losses
        self._outcomes = WishOutcomes(registry, losses, clock)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._again: dict[str, FollowedHost] = {}

    def begin(self, host: FollowedHost) -> None:
        """Ask for everything that a host should have and has not told of lately; one such round at a time.

        A host that comes into sight anew while one is running has another one after it, as that one may have failed.
        """
        if host.name in self._running:
            self._again[host.name] = host
            return
        if silent := [each for each in self._registry.live.values() if self._is_silent(each, host)]:
            task = asyncio.create_task(self._verify(host, silent), name=f"verification of {host.name}")
            self._running[host.name] = task
            task.add_done_callback(lambda _: self._ended(host.name))

    async def close(self) -> None:
        """End all rounds."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, name: str) -> None:
        is_cancelled = self._running.pop(name).cancelled()
        again = self._again.pop(name, None)
        if again is not None and not is_cancelled:
            self.begin(again)

    def _is_silent(self, operation: LiveOperation, host: FollowedHost) -> bool:
        state, seen_at = operation.state, operation.seen_at
        if state.delivery is not Delivery.ACCEPTED or state.host_uid != host.host_uid:
            return False
        return seen_at is None or self._clock.monotonic() - seen_at > _TOLD_LATELY_SECONDS

    async def _verify(self, host: FollowedHost, operations: list[LiveOperation]) -> None:
        logger = structlog.get_logger().bind(host=host.name)
        try:
            for operation in operations:
                await self._ask(host, operation)
        except HostCallError as error:
            logger.info("sessions_not_verified", problem=error.problem)
        except Exception:
            logger.exception("sessions_not_verified")

    async def _ask(self, host: FollowedHost, operation: LiveOperation) -> None:
        try:
            connection = self._connections.get(host.name)
            if connection is None:
                return  # it is not followed any more
            session = await connection.get_session(operation.record.session_id)
        except SessionUnknown:
            await self._losses.report(operation, host)
            return
        if is_removed(session):
            await self._outcomes.ended_before(operation, host, session)
