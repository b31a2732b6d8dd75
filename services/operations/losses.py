"""Follow the operations whose sessions seem to be gone, until they are seen again or the grace has passed.

A terminal state needs evidence, and evidence can be taken back: a folder that was moved away for a moment, a host that
is started on the wrong disk, a machine that comes back. Two rules end an operation, each after its own grace:

- RULE_SESSION_MISSING: the host that had the session does not know it, and still does not when it is asked again.
- RULE_HOST_REPLACED: another host answers under the name of the one that had the session, which is followed nowhere.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

import structlog
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.clock import Clock
from services.common.errors import ServiceError
from services.common.timestamps import to_datetime
from services.operations.followed_host import FollowedHost, owner_of
from services.operations.host_errors import HostCallError, SessionUnknown
from services.operations.live_operation import LiveOperation
from services.operations.loss import MISSING, REPLACED, fail_lost, host_replaced, no_loss, session_missing
from services.operations.operation_state import Delivery
from services.operations.registry import Registry
from services.operations.session_update import end_with_removed, is_removed

_LOOK_EVERY_SECONDS: Final = 0.25
_UP: Final = pb.HostRecord.State.STATE_UP


class SessionSource(Protocol):
    """Where sessions are asked for."""

    async def get_session(self, session_id: str) -> Session:
        """Return a session, or what is left of it."""


@dataclass(frozen=True)
class Graces:
    """Time from the first evidence to the end of an operation, in seconds.

    Attributes:
        missing: Where the host that had the session does not know it.
        replaced: Where another host has taken its name.
    """

    missing: float
    replaced: float


class Losses:
    """The operations that may be lost.

    Args:
        registry: The operations.
        hosts: All hosts by name.
        sources: Where to ask, by name of the host.
        clock: The time.
        graces: How long evidence has to hold.
    """

    def __init__(
        self,
        registry: Registry,
        hosts: Mapping[str, FollowedHost],
        sources: Mapping[str, SessionSource],
        clock: Clock,
        graces: Graces,
    ) -> None:
        self._registry = registry
        self._hosts = hosts
        self._sources = sources
        self._clock = clock
        self._graces = graces
        self._suspects: dict[str, LiveOperation] = {}
        self._asked: set[str] = set()
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._identities_changed = True

    @property
    def is_asking(self) -> bool:
        """Hosts are being asked for sessions."""
        return bool(self._asking)

    def resume(self) -> None:
        """Go on with everything that the store says may be lost."""
        for operation in self._registry.live.values():
            if operation.record.HasField("loss"):
                self.watch(operation)

    def watch(self, operation: LiveOperation) -> None:
        """Follow an operation that has got evidence of a loss. Its grace runs since that was first seen."""
        loss = operation.record.loss
        grace = self._graces.replaced if loss.rule == REPLACED else self._graces.missing
        passed = (self._clock.now() - to_datetime(loss.since)).total_seconds()
        # The clock of the wall may have been set meanwhile: the grace is never longer than it is configured.
        operation.lost_until = self._clock.monotonic() + min(max(0.0, grace - passed), grace)
        if operation.id not in self._suspects:
            self._suspects[operation.id] = operation
            self._asked.discard(operation.id)
            structlog.get_logger().warning(
                "session_lost",
                operation_id=operation.id,
                session_id=operation.record.session_id,
                host=operation.record.host,
                rule=pb.Loss.Rule.Name(loss.rule),
                evidence=loss.evidence,
            )

    async def report(self, operation: LiveOperation, host: FollowedHost) -> None:
        """Take note that a host was asked for the session of an operation, and does not know it."""
        session_id = operation.record.session_id
        await self._registry.change(operation, session_missing(host, session_id, self._clock.now()))
        if not operation.state.ended:
            self.watch(operation)

    def identities_changed(self) -> None:
        """Take note that a host has told who it is, or that the hosts are others: sessions may be nobody's now."""
        self._identities_changed = True

    async def run(self) -> None:
        """Look again and again until cancelled."""
        while True:
            try:
                await self.look()
            except ServiceError as error:  # the store takes nothing; what is known stays as it is, and is tried again
                structlog.get_logger().warning("losses_not_settled", problem=error.message)
            except Exception:
                structlog.get_logger().exception("losses_not_settled")
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def close(self) -> None:
        """End all questions."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def look(self) -> None:
        """Settle what can be settled now."""
        if self._identities_changed:
            await self._find_replaced()
        replaced: list[LiveOperation] = []
        questions: dict[str, list[LiveOperation]] = {}
        for operation in list(self._suspects.values()):
            if self._is_settled(operation):
                self._forget(operation)
            elif operation.record.loss.rule == REPLACED:
                replaced.append(operation)
            elif (host := self._host_to_ask(operation)) is not None:
                questions.setdefault(host.name, []).append(operation)
        for name, operations in questions.items():
            if name not in self._asking:
                task = asyncio.create_task(self._ask_all(name, operations), name=f"lost sessions of {name}")
                self._asking[name] = task
                task.add_done_callback(partial(self._asked_all, name))
        await asyncio.gather(*map(self._look_at_replaced, replaced))

    def _is_settled(self, operation: LiveOperation) -> bool:
        if operation.staged:
            return False
        gone = self._registry.live.get(operation.id) is not operation
        return gone or operation.state.ended or not operation.record.HasField("loss")

    def _forget(self, operation: LiveOperation) -> None:
        self._suspects.pop(operation.id, None)
        self._asked.discard(operation.id)
        operation.lost_until = None

    def _is_over(self, operation: LiveOperation) -> bool:
        return operation.lost_until is not None and self._clock.monotonic() >= operation.lost_until

    async def _find_replaced(self) -> None:
        """Note the loss of all sessions whose hosts have been replaced."""
        self._identities_changed = False
        found = [(each, host) for each in self._registry.live.values() if (host := self._replacement(each)) is not None]
        try:
            await asyncio.gather(*(self._note_replaced(operation, host) for operation, host in found))
        except BaseException:
            self._identities_changed = True
            raise

    async def _note_replaced(self, operation: LiveOperation, host: FollowedHost) -> None:
        if operation.record.loss.rule == REPLACED:
            return
        change = host_replaced(host, operation.state.host_uid, self._clock.now())
        await self._registry.change(operation, change)
        if not operation.state.ended:
            self.watch(operation)

    def _replacement(self, operation: LiveOperation) -> FollowedHost | None:
        """Return the host that has taken the place of the one that had the session; None if none has."""
        state = operation.state
        if state.delivery is Delivery.NEW or not state.host_uid or owner_of(self._hosts, state) is not None:
            return None
        host = self._hosts.get(state.record.host)
        answers = host is not None and host.state(self._clock.monotonic()) == _UP
        return host if answers and host is not None and host.host_uid not in {"", state.host_uid} else None

    async def _look_at_replaced(self, operation: LiveOperation) -> None:
        if owner_of(self._hosts, operation.state) is not None or operation.record.host not in self._hosts:
            await self._registry.change(operation, no_loss)  # it is followed again, or nobody is in its place any more
            self._forget(operation)
        elif self._is_over(operation) and self._replacement(operation) is not None:
            await self._end(operation)

    def _host_to_ask(self, operation: LiveOperation) -> FollowedHost | None:
        """Return the host that has to be asked now: at once, and again at the end of the grace."""
        if operation.id in self._asked and not self._is_over(operation):
            return None
        host = owner_of(self._hosts, operation.state)
        up = host is not None and host.host_uid != "" and host.state(self._clock.monotonic()) == _UP
        return host if up else None

    def _asked_all(self, name: str, _: "asyncio.Task[None]") -> None:
        self._asking.pop(name, None)

    async def _ask_all(self, name: str, operations: Sequence[LiveOperation]) -> None:
        logger = structlog.get_logger().bind(host=name)
        try:
            for operation in operations:
                if name in self._hosts and not self._is_settled(operation):
                    await self._ask(self._hosts[name], operation)
        except (HostCallError, ServiceError) as error:
            logger.info("losses_not_settled", problem=str(error))
        except Exception:
            logger.exception("losses_not_settled")

    async def _ask(self, host: FollowedHost, operation: LiveOperation) -> None:
        over, host_uid = self._is_over(operation), host.host_uid
        try:
            session = await self._sources[host.name].get_session(operation.record.session_id)
        except SessionUnknown:
            self._asked.add(operation.id)
            if over and operation.record.loss.rule == MISSING and host.host_uid == host_uid:
                await self._end(operation)
            return
        if is_removed(session):
            now = self._clock.now()
            await self._registry.change(
                operation, lambda state: end_with_removed(state.record, session, host.name, now)
            )
        else:
            await self._registry.change(operation, no_loss)
            structlog.get_logger().info("session_seen_again", operation_id=operation.id, host=host.name)
        self._forget(operation)

    async def _end(self, operation: LiveOperation) -> None:
        await self._registry.change(operation, fail_lost(self._clock.now()))
        if operation.state.ended:
            structlog.get_logger().warning(
                "operation_lost", operation_id=operation.id, evidence=operation.record.loss.evidence
            )
            self._forget(operation)
