"""Loads and people over a real connection to a gateway that refuses whatever comes too fast, on one clock for both.

The clock stands still while anything is on its way, and then jumps to whatever comes next: so an hour takes seconds,
and nothing depends on how fast the machine is.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from ktrdr.ib.v1 import bars_pb2

from services.common.clock import SystemClock
from services.ib_host.bar_sizes import BAR_LENGTHS
from services.ib_host.connection.address import GatewayAddress
from services.ib_host.connection.backoff import Backoff
from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.pacing.budget import RequestBudget
from services.ib_host.pacing.rules import PacingRules
from services.ib_host.planning.chunks import Ask
from services.ib_host.planning.steps import Duration
from services.ib_host.replay.messages import Inbound
from services.ib_host.replay.pacing.engine import PacingRule
from services.ib_host.replay.pacing.limits import PacingMode
from services.ib_host.replay.pacing.paced_request import PacedRequest
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings
from services.ib_host.requests.answers import RequestTimeouts
from services.ib_host.requests.failures import FailureKind, GatewayFailure
from services.ib_host.requests.gateway_requests import GatewayRequests
from services.ib_host.requests.history_query import HistoryQuery
from services.ib_host.requests.open_requests import OpenRequests
from tests.support.fake_clock import FakeClock

_TURNS_OF_THE_LOOP: Final = 12
_ON_ITS_WAY_SECONDS: Final = 0.0005
_FIRST: Final = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
_PERSON_EVERY_SECONDS: Final = 20.0
_GIVES_UP_EVERY: Final = 25


@dataclass
class Simulated:
    """What came of it.

    Attributes:
        seconds: that passed on the clock.
        violations: what the gateway refused, by rule.
        peaks: the most that each of its windows held.
        units: requests for short bars that the gateway received, each for BID_ASK twice.
        bars: that came.
        long_bars: requests for longer bars that were answered.
        answers_to_people: how many they got.
        longest_wait_of_people: until one of them had his answer, seconds.
        failures: requests that failed, by kind.
    """

    seconds: float = 0.0
    violations: Counter[PacingRule] = field(default_factory=Counter)
    peaks: dict[PacingRule, int] = field(default_factory=dict)
    units: int = 0
    bars: int = 0
    long_bars: int = 0
    answers_to_people: int = 0
    longest_wait_of_people: float = 0.0
    failures: Counter[FailureKind] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Host:
    clock: FakeClock
    open_requests: OpenRequests
    requests: GatewayRequests
    gateway: ReplayServer
    found: Simulated


async def simulate(seconds: float) -> Simulated:
    """Let loads of short bars ask as fast as they may, beside one of longer bars, one that gives up, and people.

    Args:
        seconds: on the clock.
    """
    async with _host() as host:
        work = [
            *(_load(host, number, what) for number, what in enumerate(("TRADES", "BID", "BID_ASK", "MIDPOINT"))),
            _repeat(host),
            _load_minutes(host),
            _person(host),
        ]
        tasks = [asyncio.create_task(coroutine) for coroutine in work]
        try:
            await _pass_time(host, seconds, tasks)
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
        received = (PacedRequest.read(frame.fields) for frame in host.gateway.journal.of(Inbound.HISTORICAL_DATA))
        host.found.units = sum(request.weight for request in received if request and request.short_bars)
        host.found.seconds = host.clock.monotonic()
        host.found.violations = host.gateway.pacing.violations
        host.found.peaks = host.gateway.pacing.peaks
        return host.found


async def _pass_time(host: _Host, seconds: float, tasks: Sequence["asyncio.Task[None]"]) -> None:
    while host.clock.monotonic() < seconds:
        for task in tasks:
            if task.done():
                task.result()
        for _ in range(_TURNS_OF_THE_LOOP):
            await asyncio.sleep(0)
        if _something_is_on_its_way(host) or not host.clock.sleeping:
            await asyncio.sleep(_ON_ITS_WAY_SECONDS)
            continue
        host.clock.advance(max(0.0, host.clock.next_due - host.clock.monotonic()))


def _something_is_on_its_way(host: _Host) -> bool:
    """Tell whether one side has sent what the other has not received."""
    return set(host.open_requests._failures) != {request_id for _, request_id in host.gateway.open_queries}


@asynccontextmanager
async def _host() -> AsyncIterator[_Host]:
    clock, machine = FakeClock(), SystemClock()
    settings = ReplaySettings(
        port=0,
        data="generated:AAPL,MSFT?days=2&start=2024-01-02",
        pacing=PacingMode.IB,
        latency_ms=300,
        jitter_ms=900,
        journal_limit=1_000_000,
    )
    async with ReplayServer(settings, wall_clock=clock) as gateway:
        budget = RequestBudget(clock)
        open_requests = OpenRequests(budget.violated)
        connection = GatewayConnection(
            GatewayAddress.parse(gateway.address),
            client_id=17,
            open_requests=open_requests,
            clock=machine,
            backoff=Backoff(first_seconds=0.05),
            connect_timeout_seconds=60.0,
        )
        requests = GatewayRequests(
            connection,
            open_requests=open_requests,
            budget=budget,
            rules=PacingRules(),
            timeouts=RequestTimeouts(history_seconds=60.0, other_seconds=15.0),
            clock=clock,
        )
        await connection.start()
        try:
            await connection.wait_until_up(lambda _: None)
            yield _Host(clock, open_requests, requests, gateway, Simulated())
        finally:
            await connection.stop()
            await budget.close()


async def _load(host: _Host, number: int, what: str) -> None:
    """Ask for one stretch after the other, without end, and now and then give one up that is on its way."""
    symbol, count = ("AAPL", "MSFT")[number % 2], 0
    # One has bars; the others ask for a holiday, and of BID_ASK there is nothing at all.
    first = _FIRST if what == "TRADES" else _FIRST - timedelta(days=1)
    while True:
        end = first + timedelta(seconds=1_800 * (1 + count % 12) + 30 * (count // 12))
        asking = asyncio.create_task(_ask(host, symbol, bars_pb2.BAR_SIZE_30_SECONDS, what, end, Duration(1_800, "S")))
        count += 1
        try:
            if count % _GIVES_UP_EVERY == 0:
                await host.clock.sleep(0.1)
                asking.cancel()
            await asyncio.wait({asking})
        finally:
            asking.cancel()
        if not asking.cancelled():
            asking.result()


async def _repeat(host: _Host) -> None:
    """Ask for the very same bars again and again."""
    while True:
        await _ask(host, "AAPL", bars_pb2.BAR_SIZE_5_SECONDS, "TRADES", _FIRST + timedelta(hours=1), Duration(600, "S"))


async def _load_minutes(host: _Host) -> None:
    """Ask for longer bars, for which there is no limit."""
    while True:
        end = _FIRST + timedelta(hours=6)
        await _ask(host, "AAPL", bars_pb2.BAR_SIZE_5_MINUTES, "TRADES", end, Duration(3_600, "S"))
        host.found.long_bars += 1
        await host.clock.sleep(15.0)


async def _person(host: _Host) -> None:
    """Search, and look at the time, now and then."""
    while True:
        began = host.clock.monotonic()
        await host.requests.matching_symbols("AA")
        await host.requests.current_time()
        host.found.answers_to_people += 2
        waited = host.clock.monotonic() - began
        host.found.longest_wait_of_people = max(host.found.longest_wait_of_people, waited)
        await host.clock.sleep(_PERSON_EVERY_SECONDS)


async def _ask(
    host: _Host, symbol: str, size: bars_pb2.BarSize.ValueType, what: str, end: datetime, duration: Duration
) -> None:
    """Ask for bars."""
    instrument = bars_pb2.Instrument(
        symbol=symbol, security_type=bars_pb2.SECURITY_TYPE_STOCK, exchange="SMART", currency="USD"
    )
    query = HistoryQuery(instrument, BAR_LENGTHS[size], what, use_rth=False, ask=Ask(end, duration))
    try:
        host.found.bars += len((await host.requests.history(query)).bars)
    except GatewayFailure as failure:
        host.found.failures[failure.kind] += 1
