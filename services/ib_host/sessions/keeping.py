"""What a load keeps beside a dataset about its sessions."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from ktrdr.ib.v1 import bars_pb2

from services.common.threads import in_thread
from services.ib_host.connection.library import ReceivedSession
from services.ib_host.loading.persistence import Persistence
from services.ib_host.pacing.waiting import PacingWait
from services.ib_host.planning.span import Span
from services.ib_host.requests.answers import InstrumentDetails
from services.ib_host.requests.failures import GatewayFailure
from services.ib_host.requests.gateway_requests import GatewayRequests
from services.ib_host.sessions.choice import knows_exchange
from services.ib_host.sessions.kept_hours import KeptHours
from services.ib_host.sessions.kept_schedule import KeptSchedule, days_before
from services.ib_host.sessions.session import Session
from services.ib_host.sessions.zones import zone_of

_LOG = structlog.get_logger(__name__)
_FARM: Final = "history"
_LONGEST_ASK: Final = timedelta(days=365)
_MOST_ASKS: Final = 30
_PATIENCE_SECONDS: Final = 120.0


async def keep_hours(
    requests: GatewayRequests,
    ask: Persistence,
    folder: Path,
    key: bars_pb2.DatasetKey,
    details: InstrumentDetails,
    start: datetime,
    end: datetime,
    *,
    told: Callable[[str], None] = lambda _: None,
    paced: Callable[[PacingWait], None] = lambda _: None,
) -> None:
    """Keep the hours of a contract, and the sessions that the gateway tells, for later verdicts.

    The gateway is asked for sessions only where no calendar of the exchange is known, for a year at a time, newest
    first, and only for times that earlier loads have not asked for. Nothing that goes wrong here fails the load, or
    holds it up for more than two minutes: a verdict then rests on less.

    Args:
        requests: to the gateway.
        ask: how they are sent again.
        folder: of the dataset; made if need be.
        key: complete.
        details: what the gateway tells of the instrument.
        start: aware; the range of the load.
        end: its end, not after now.
        told: called with what a request waits for, and with "" when it goes on.
        paced: called each second while pacing holds a request back.
    """
    try:
        await in_thread(_keep_hours, folder, details)
        if knows_exchange(key):
            return
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await _keep_schedule(requests, ask, folder, key, Span(start, end), told, paced)
    except (GatewayFailure, TimeoutError, OSError, ValueError) as error:
        _LOG.info("sessions_not_kept", instrument=key.instrument.symbol, problem=str(error) or type(error).__name__)


async def _keep_schedule(
    requests: GatewayRequests,
    ask: Persistence,
    folder: Path,
    key: bars_pb2.DatasetKey,
    span: Span,
    told: Callable[[str], None],
    paced: Callable[[PacingWait], None],
) -> None:
    schedule = await in_thread(KeptSchedule.load, folder)
    zone = zone_of(key.instrument.time_zone)
    if schedule is None:
        schedule = KeptSchedule(time_zone=zone.key if zone else "UTC")
    for piece in _pieces(schedule, span):
        days = days_before(piece.end, piece.start)

        async def request(piece: Span = piece, days: int = days) -> list[ReceivedSession]:
            return [
                *await requests.schedule(
                    key.instrument, key.use_rth, end=piece.end, duration=f"{days} D", waiting=paced
                )
            ]

        received = await ask.ask(request, farm=_FARM, told=told)
        sessions = [
            Session(session.start.astimezone(UTC), session.end.astimezone(UTC), session.date) for session in received
        ]
        if not sessions:
            return  # nothing so far back: before it there is nothing either
        # A session that is going on at the end of the stretch is told by the request for the next one, where it ends.
        schedule = schedule.extended(piece, sessions)
        await in_thread(schedule.save, folder)


def _keep_hours(folder: Path, details: InstrumentDetails) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if details.trading_hours or details.liquid_hours:
        KeptHours(
            time_zone=details.instrument.time_zone,
            trading_hours=details.trading_hours,
            liquid_hours=details.liquid_hours,
        ).save(folder)


def _pieces(schedule: KeptSchedule, span: Span) -> Iterator[Span]:
    """Yield what is to be asked for, newest first, a year at most each."""
    asks = 0
    for unasked in reversed(schedule.unasked(span.start, span.end)):
        end = unasked.end
        while end > unasked.start and asks < _MOST_ASKS:
            begin = max(unasked.start, end - _LONGEST_ASK)
            yield Span(begin, end)
            end = begin
            asks += 1
