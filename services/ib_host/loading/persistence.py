"""Asking again, as long as it makes sense."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from services.common.clock import Clock
from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.requests.failures import FailureKind, GatewayFailure

T = TypeVar("T")

_LOG = structlog.get_logger(__name__)
_GATEWAY_AWAY: Final = frozenset({FailureKind.DISCONNECTED, FailureKind.LINK_LOST})
_MAY_HELP: Final = frozenset(
    {FailureKind.PACING, FailureKind.SERVICE_TROUBLE, FailureKind.TIMEOUT, FailureKind.STREAM_BROKEN}
)


@dataclass(frozen=True)
class RetryPolicy:
    """How often to ask again.

    Attributes:
        pauses_seconds: before the second and each further try; as many tries more as there are pauses.
        away_seconds: after the gateway went away in a request, or while a farm of IB is down.
    """

    pauses_seconds: tuple[float, ...] = (2.0, 10.0, 30.0)
    away_seconds: float = 1.0


class Persistence:
    """Sends a request again after failures that pass.

    A gateway that is away is waited for, however long it takes. What IB has trouble with is tried a few times. Anything
    else is final.

    Args:
        connection: to the gateway.
        clock: for pauses.
        policy: how often.
    """

    def __init__(self, connection: GatewayConnection, clock: Clock, policy: RetryPolicy) -> None:
        self._connection = connection
        self._clock = clock
        self._policy = policy

    async def ask(self, request: Callable[[], Awaitable[T]], *, farm: str, told: Callable[[str], None]) -> T:
        """Return the answer to a request.

        Args:
            request: sends it.
            farm: the kind of IB's farms that answers it: while one is down, failures don't count.
            told: called with what it waits for, and with "" when it goes on.

        Raises:
            GatewayFailure: the request failed for good, or too often.
        """
        failures = 0
        while True:
            await self._connection.wait_until_up(told)
            told("")
            try:
                return await request()
            except GatewayFailure as failure:
                pause = self._pause(failure, failures, farm)
                if pause is None:
                    raise
                _LOG.info("request_failed", kind=failure.kind.value, text=failure.sentence, retry_seconds=pause)
                failures += self._counts(failure, farm)
                told(f"{failure.sentence}; trying again in {pause:g} s")
                await self._clock.sleep(pause)

    def _pause(self, failure: GatewayFailure, failures: int, farm: str) -> float | None:
        if not self._counts(failure, farm):
            return self._policy.away_seconds
        if failure.kind not in _MAY_HELP or failures >= len(self._policy.pauses_seconds):
            return None
        return self._policy.pauses_seconds[failures]

    def _counts(self, failure: GatewayFailure, farm: str) -> bool:
        if failure.kind in _GATEWAY_AWAY:
            return False
        # While its services are down IB also says, wrongly, that it does not know a contract.
        passing = failure.kind in _MAY_HELP or failure.kind is FailureKind.UNKNOWN_INSTRUMENT
        return not (passing and self._connection.farm_is_down(farm))
