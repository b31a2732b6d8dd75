"""The host's own requests to a gateway, and how each ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

import pytest
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.bar_sizes import BAR_LENGTHS
from services.ib_host.connection.address import GatewayAddress
from services.ib_host.connection.backoff import Backoff
from services.ib_host.connection.gateway import GatewayConnection
from services.ib_host.connection.notices import Link
from services.ib_host.pacing.budget import RequestBudget
from services.ib_host.pacing.rules import PacingRules
from services.ib_host.planning.chunks import Ask
from services.ib_host.planning.steps import Duration
from services.ib_host.replay.server import ReplayServer
from services.ib_host.requests import round_trip
from services.ib_host.requests.answers import RequestTimeouts
from services.ib_host.requests.failures import FailureKind, GatewayFailure
from services.ib_host.requests.gateway_requests import GatewayRequests
from services.ib_host.requests.history_query import HistoryQuery
from services.ib_host.requests.open_requests import OpenRequests
from services.ib_host.store.columns import ReceivedBar
from tests.support.eventually import eventually
from tests.support.hurried_clock import HurriedClock

T = TypeVar("T")
TIMEOUT_SECONDS: Final = 600.0
"""For an answer: no machine is too busy for it."""
WEEK_ENDS = datetime(2012, 1, 14, tzinfo=UTC)
"""End of the week that `week` asks for: sessions 9 to 13 January."""


@dataclass
class HostRequests:
    """A connection of the host, over the unmodified client library.

    Attributes:
        connection: kept up.
        requests: over it.
        clock: by which they wait for answers.
    """

    connection: GatewayConnection
    requests: GatewayRequests
    clock: HurriedClock

    async def week(self, symbol: str = "AAPL") -> list[ReceivedBar] | FailureKind:
        """Ask for five daily bars; return them, or as what the failure was classified."""
        ask = Ask(WEEK_ENDS, Duration(5, "D"))
        query = HistoryQuery(stock(symbol), BAR_LENGTHS[bars_pb2.BAR_SIZE_1_DAY], "TRADES", use_rth=True, ask=ask)
        try:
            return list((await self.requests.history(query)).bars)
        except GatewayFailure as failure:
            return failure.kind

    async def contract(self, symbol: str = "AAPL") -> str | FailureKind:
        """Ask for a contract; return its symbol, or as what the failure was classified."""
        try:
            return ",".join(found.instrument.symbol for found in await self.requests.contracts(stock(symbol)))
        except GatewayFailure as failure:
            return failure.kind

    async def time(self) -> datetime | FailureKind:
        """Ask for the gateway's time; return it, or as what the failure was classified."""
        try:
            return await self.requests.current_time()
        except GatewayFailure as failure:
            return failure.kind

    async def in_vain(self, asking: Awaitable[T]) -> T:
        """Return what comes of a request that the gateway does not answer: its time is over once it is open."""
        asked = asyncio.ensure_future(asking)
        await eventually(lambda: self.connection.picture.open_requests or asked.done())
        self.clock.run_ahead(TIMEOUT_SECONDS)
        return await asked

    async def up(self) -> None:
        """Wait until the connection stands."""
        await eventually(lambda: self.connection.link is Link.UP)


def stock(symbol: str) -> bars_pb2.Instrument:
    """Describe an American stock."""
    return bars_pb2.Instrument(
        symbol=symbol, exchange="SMART", currency="USD", security_type=bars_pb2.SECURITY_TYPE_STOCK
    )


@asynccontextmanager
async def host_requests(
    gateway: ReplayServer, *, connect_timeout_seconds: float = 60.0, wait: bool = True
) -> AsyncIterator[HostRequests]:
    """Connect to a gateway as the host does, and stay connected."""
    clock, open_requests = HurriedClock(), OpenRequests()
    connection = GatewayConnection(
        GatewayAddress("127.0.0.1", gateway.port),
        client_id=17,
        open_requests=open_requests,
        clock=clock,
        backoff=Backoff(first_seconds=0.02),
        connect_timeout_seconds=connect_timeout_seconds,
    )
    requests = GatewayRequests(
        connection,
        open_requests=open_requests,
        budget=RequestBudget(clock),
        rules=PacingRules(),
        timeouts=RequestTimeouts(TIMEOUT_SECONDS, TIMEOUT_SECONDS),
        clock=clock,
    )
    host = HostRequests(connection, requests, clock)
    await connection.start()
    try:
        if wait:
            await host.up()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(round_trip, "_LOOK_SECONDS", 0.02)  # a test that lets the clock run ahead need not wait
            yield host
    finally:
        await connection.stop()
