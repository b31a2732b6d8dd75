"""Asking again, as long as it makes sense."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

import structlog

from services.common.clock import Clock
from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.requests.failures import FailureKind, GatewayFailure

T = TypeVar("T")

_LOG = structlog.get_logger(__name__)
_FEW_DISCONNECTS: Final = 3
"""Where the caller has a better idea than to go on asking."""
_MAY_HELP: Final = frozenset(
    {
        FailureKind.PACING,
        FailureKind.SERVICE_TROUBLE,
        FailureKind.QUERY_LOST,
        FailureKind.TIMEOUT,
        FailureKind.STREAM_BROKEN,
    }
)
_PASSES_WITH_AN_OUTAGE: Final = _MAY_HELP - {FailureKind.PACING}
_LOOK_SECONDS: Final = 1.0
_COMPETING_TEXT: Final = (
    "another login of the same account takes IB's data: log out there (IB mobile, Client Portal, another TWS)"
)


@dataclass(frozen=True)
class RetryPolicy:
    """How often to ask again.

    Attributes:
        pauses_seconds: before the second and each further try; as many tries more as there are pauses.
        away_seconds: after the gateway went away in a request; where the same request loses the connection again, while
            a farm of IB is down, or its servers reset, it doubles with each try.
        longest_seconds: that the doubled pause grows to.
        most_disconnects: so often a request is sent again after the connection was lost while it was open.
        competing_seconds: between two tries while another login of the account takes the data.
        competing_patience: how long that goes on before the request fails.
    """

    pauses_seconds: tuple[float, ...] = (2.0, 10.0, 30.0)
    away_seconds: float = 1.0
    longest_seconds: float = 30.0
    most_disconnects: int = 20
    competing_seconds: float = 30.0
    competing_patience: timedelta = timedelta(hours=1)


class Persistence:
    """Sends a request again after failures that pass.

    A gateway that is away is waited for, however long it takes, and so are IB's farms and the end of its resets. A
    request with which the connection is lost each time is given up at last: there are requests that gateways do not
    survive. What IB has trouble with is tried a few times, and what it does not know once more. Anything else is final.

    Args:
        connection: to the gateway.
        clock: for pauses.
        policy: how often.
    """

    def __init__(self, connection: GatewayConnection, clock: Clock, policy: RetryPolicy) -> None:
        self._connection = connection
        self._clock = clock
        self._policy = policy

    async def ask(
        self,
        request: Callable[[], Awaitable[T]],
        *,
        farm: str,
        told: Callable[[str], None],
        leave: Collection[FailureKind] = (),
    ) -> T:
        """Return the answer to a request.

        Args:
            request: sends it.
            farm: the kind of IB's farms that answers it: while one is down, failures don't count.
            told: called with what it waits for, and with "" when it goes on.
            leave: kinds of failures that are raised at once unless an outage explains them: the caller has an answer.

        Raises:
            GatewayFailure: the request failed for good, too often, or in a way that is left to the caller.
        """
        tries = _Tries(self._connection, self._policy, farm=farm, now=self._clock.monotonic)
        while True:
            await self._connection.wait_until_up(told)
            told("")
            try:
                return await request()
            except GatewayFailure as failure:
                pause = tries.failed(failure, leave)
                if pause is None:
                    raise
                _LOG.info("request_failed", kind=failure.kind.value, text=failure.sentence, retry_seconds=pause.seconds)
                told(pause.reason)
                await self._rest(pause, farm)

    async def _rest(self, pause: "_Pause", farm: str) -> None:
        """Wait; where an outage is the reason, only as long as it lasts."""
        left = pause.seconds
        while left > 0:
            step = min(_LOOK_SECONDS, left)
            await self._clock.sleep(step)
            left -= step
            if pause.is_outage and not self._connection.picture.outage(farm):
                return


@dataclass(frozen=True)
class _Pause:
    """What comes before the next try.

    Attributes:
        seconds: how long.
        reason: why, for people.
        is_outage: IB, or a farm, is down.
    """

    seconds: float
    reason: str
    is_outage: bool = False


class _Tries:
    """Counts the failures of one request."""

    def __init__(
        self, connection: GatewayConnection, policy: RetryPolicy, *, farm: str, now: Callable[[], float]
    ) -> None:
        self._connection = connection
        self._policy = policy
        self._farm = farm
        self._now = now
        self._counted = 0
        self._excused = 0
        self._disconnects = 0
        self._doubted = False
        self._competing_since: float | None = None

    def failed(self, failure: GatewayFailure, leave: Collection[FailureKind]) -> _Pause | None:
        """Return the pause before the next try; None when there is none."""
        again = f"{failure.sentence}; trying again in"
        if failure.kind is FailureKind.LINK_LOST:
            return _Pause(self._policy.away_seconds, f"{again} {self._policy.away_seconds:g} s")
        if failure.kind is FailureKind.DISCONNECTED:
            return self._disconnected(failure, leave)
        if failure.kind is FailureKind.COMPETING_SESSION:
            return self._competing(failure)
        outage = self._connection.picture.outage(self._farm) if failure.kind in _PASSES_WITH_AN_OUTAGE else ""
        if outage:
            pause = self._doubled(self._excused)
            self._excused += 1
            return _Pause(pause, outage, is_outage=True)
        if failure.kind in leave:
            return None
        if failure.kind is FailureKind.UNKNOWN_INSTRUMENT and not self._doubted and self._policy.pauses_seconds:
            # Once more: IB also says so for a moment while it has trouble that nobody has told of.
            self._doubted = True
            pause = self._policy.pauses_seconds[0]
            return _Pause(pause, f"{again} {pause:g} s")
        if failure.kind not in _MAY_HELP or self._counted >= len(self._policy.pauses_seconds):
            return None
        pause = self._policy.pauses_seconds[self._counted]
        self._counted += 1
        return _Pause(pause, f"{again} {pause:g} s")

    def _disconnected(self, failure: GatewayFailure, leave: Collection[FailureKind]) -> _Pause | None:
        """Wait longer each time: the gateway is there again, but may be gone again with this very request."""
        most = self._policy.most_disconnects
        if self._disconnects >= (min(most, _FEW_DISCONNECTS) if failure.kind in leave else most):
            return None
        pause = self._doubled(self._disconnects)
        self._disconnects += 1
        return _Pause(pause, f"{failure.sentence}; trying again in {pause:g} s")

    def _doubled(self, times: int) -> float:
        return min(self._policy.longest_seconds, self._policy.away_seconds * 2.0 ** min(times, 20))

    def _competing(self, failure: GatewayFailure) -> _Pause | None:
        """Wait slowly: a person has to do something. The patience begins with the first such failure in a row."""
        now = self._now()
        self._competing_since = now if self._competing_since is None else self._competing_since
        if now - self._competing_since >= self._policy.competing_patience.total_seconds():
            return None
        seconds = self._policy.competing_seconds
        return _Pause(seconds, f"{_COMPETING_TEXT}; trying again in {seconds:g} s. {failure.sentence}")
