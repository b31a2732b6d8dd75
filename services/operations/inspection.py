"""Tell one operation, as fresh as its reader needs it."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Protocol

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.clock import Clock
from services.common.errors import FieldViolation, ServiceError
from services.operations.followed_host import FollowedHost, owner_of
from services.operations.host_errors import HostCallError
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import Delivery, OperationState
from services.operations.presenter import Presenter, unfollowed
from services.operations.registry import Registry

_LONGEST_REFRESH_SECONDS: Final = 10.0
_SHARE_OF_TIME: Final = 0.8
_RETRY_AFTER: Final = timedelta(seconds=2)


class Refreshable(Protocol):
    """Something that can be asked to look now."""

    async def refresh(self) -> None:
        """Return once a fresh answer of the host has been taken in."""


class Inspection:
    """Tells operations.

    Args:
        registry: The operations.
        hosts: All hosts by name.
        pollers: Their pollers by name.
        presenter: Tells operations.
        clock: The time.
    """

    def __init__(
        self,
        registry: Registry,
        hosts: Mapping[str, FollowedHost],
        pollers: Mapping[str, Refreshable],
        presenter: Presenter,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._hosts = hosts
        self._pollers = pollers
        self._presenter = presenter
        self._clock = clock

    async def get(
        self, operation_id: str, *, max_staleness: timedelta | None, time_left_seconds: float | None
    ) -> pb.Operation:
        """Return an operation.

        Args:
            operation_id: Which.
            max_staleness: If its host told about it longer ago, the host is asked first; None takes it as it is.
            time_left_seconds: Time until the caller gives up; None if it waits for ever.

        Raises:
            ServiceError: OPERATION_NOT_FOUND, INVALID_REQUEST, or HOST_UNREACHABLE: it could not be refreshed.
        """
        operation = await self._registry.get(operation_id)
        if max_staleness is not None:
            if max_staleness < timedelta(0):
                fields = [FieldViolation("max_staleness", "zero or more")]
                raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=fields)
            if (name := self._host_to_ask(operation, max_staleness)) is not None:
                await self._refresh(name, time_left_seconds)
                operation = await self._registry.get(operation_id)
        return self._presenter.present(operation)

    def _host_to_ask(self, operation: LiveOperation | OperationState, max_staleness: timedelta) -> str | None:
        """Return the host that has to be asked first, None if the record is fresh enough or nobody can tell more."""
        state = operation.state if isinstance(operation, LiveOperation) else operation
        if state.ended or state.delivery is Delivery.NEW:
            return None
        host = owner_of(self._hosts, state)
        if host is None or host.last_success is None:
            return host.name if host else state.record.host
        age = self._clock.monotonic() - host.last_success
        return host.name if age > max_staleness.total_seconds() else None

    async def _refresh(self, host: str, time_left_seconds: float | None) -> None:
        limit = min(_LONGEST_REFRESH_SECONDS, (time_left_seconds or _LONGEST_REFRESH_SECONDS) * _SHARE_OF_TIME)
        detail = "It did not answer in time."
        try:
            async with asyncio.timeout(limit):
                if host in self._pollers:
                    await self._pollers[host].refresh()
                    return
            detail = unfollowed(host)
        except HostCallError as error:
            detail = error.problem
        except TimeoutError:
            pass
        raise ServiceError(
            ErrorReason.ERROR_REASON_HOST_UNREACHABLE, host=host, detail=detail, retry_after=_RETRY_AFTER
        )
