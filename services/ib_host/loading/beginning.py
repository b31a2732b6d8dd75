"""Where the history of an instrument begins."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import structlog
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.bar_sizes import BarLength
from services.ib_host.loading.persistence import Persistence
from services.ib_host.pacing.waiting import PacingWait
from services.ib_host.requests.failures import FailureKind, GatewayFailure
from services.ib_host.requests.gateway_requests import GatewayRequests
from services.ib_host.store.identity import WHAT_TO_SHOW

_LOG = structlog.get_logger(__name__)
_SHORT: Final = timedelta(seconds=30)
_SHORT_HISTORY: Final = timedelta(days=183)
_INTRADAY_HISTORY: Final = timedelta(days=15 * 365)
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Nothing before it is asked for."""
QUIET: Final = timedelta(days=2 * 365)
"""Where the gateway does not say when history begins: after so long without a bar, it has begun."""
_NOT_TOLD: Final = frozenset(
    {
        FailureKind.NO_DATA,
        FailureKind.NO_PERMISSION,
        FailureKind.REFUSED,
        FailureKind.SERVICE_TROUBLE,
        FailureKind.TIMEOUT,
        FailureKind.STREAM_BROKEN,
        FailureKind.DISCONNECTED,
    }
)


class Beginning(NamedTuple):
    """Where to page back to.

    Attributes:
        head: first bar that the gateway says it has; None where it does not say.
        floor: where paging ends, or goes on only as long as bars come.
        limit: where paging ends in any case.
    """

    head: datetime | None
    floor: datetime
    limit: datetime


async def find_beginning(
    requests: GatewayRequests,
    persistence: Persistence,
    key: bars_pb2.DatasetKey,
    bar: BarLength,
    *,
    start: datetime | None,
    now: datetime,
    told: Callable[[str], None],
    paced: Callable[[PacingWait], None],
) -> Beginning:
    """Ask the gateway where history begins. Where it can't tell, a bound takes its place.

    The bound is half a year for bars of 30 seconds or less, which IB does not keep for longer, whatever its answer; 15
    years for other bars of less than a day; and 1970 for longer ones. A load that does not know where history begins
    also stops after two years without a bar.

    Args:
        requests: to the gateway.
        persistence: how often they are sent.
        key: complete.
        bar: length of the bars.
        start: where the load is to begin, if its request says so: then no bound applies.
        now: of the gateway's clock.
        told: called with what it waits for.
        paced: called while pacing holds it back.

    Raises:
        GatewayFailure: the failure is one that would meet the load too.
    """
    what = WHAT_TO_SHOW[key.what_to_show]
    try:
        head = await persistence.ask(
            lambda: requests.head_timestamp(key.instrument, what, key.use_rth, waiting=paced),
            farm="history",
            told=told,
        )
    except GatewayFailure as failure:
        if failure.kind not in _NOT_TOLD:
            raise
        _LOG.info("beginning_not_told", failure=str(failure))
        bound = start or _bound(bar, now)
        return Beginning(None, bound, bound)
    head = head.astimezone(UTC)
    limit = start or (_bound(bar, now) if bar.length <= _SHORT else EARLIEST)
    return Beginning(head, max(_midnight(head) if bar.dated else head, limit), limit)


def _bound(bar: BarLength, now: datetime) -> datetime:
    if bar.dated:
        return EARLIEST
    return _midnight(now.astimezone(UTC)) - (_SHORT_HISTORY if bar.length <= _SHORT else _INTRADAY_HISTORY)


def _midnight(instant: datetime) -> datetime:
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)
