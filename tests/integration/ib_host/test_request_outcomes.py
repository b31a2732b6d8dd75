"""Each request to a gateway ends in exactly one way, over the wire, and leaves nothing open."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any

import pytest
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.bar_sizes import BAR_LENGTHS
from services.ib_host.connection.notices import Link
from services.ib_host.pacing.rules import Urgency
from services.ib_host.planning.chunks import Ask
from services.ib_host.planning.steps import Duration
from services.ib_host.replay.errors import RequestRefused
from services.ib_host.replay.faults.answers import LateRule
from services.ib_host.replay.faults.exchange import Exchange
from services.ib_host.replay.faults.malformed import Damage, MalformedRule
from services.ib_host.replay.faults.rule import FaultRule
from services.ib_host.replay.messages import Inbound
from services.ib_host.requests.failures import FailureKind, GatewayFailure
from services.ib_host.requests.history_query import HistoryQuery
from tests.support.eventually import eventually
from tests.support.faulty_gateway import Action, FaultyGateway, error, silence
from tests.support.faulty_requests import TIMEOUT_SECONDS, HostRequests, host_requests, stock

HMDS = "Historical Market Data Service error message:"
HISTORY = Inbound.HISTORICAL_DATA
CANCEL = Inbound.CANCEL_HISTORICAL_DATA
JULY = datetime(2012, 7, 7, tzinfo=UTC)
APPLE = stock("AAPL")
ROWS = [
    (162, f"{HMDS}HMDS query returned no data: AAPL@SMART Trades", FailureKind.NO_DATA),
    (162, f"{HMDS}No market data permissions for ISLAND STK", FailureKind.NO_PERMISSION),
    (354, "Requested market data is not subscribed.", FailureKind.NO_PERMISSION),
    (10089, "Requested market data requires additional subscription for API.", FailureKind.NO_PERMISSION),
    (10090, "Part of requested market data is not subscribed.", FailureKind.NO_PERMISSION),
    (10186, "Requested market data is not subscribed.", FailureKind.NO_PERMISSION),
    (10189, "Failed to request tick-by-tick data.", FailureKind.NO_PERMISSION),
    (162, f"{HMDS}Trading TWS session is connected from a different IP address", FailureKind.COMPETING_SESSION),
    (10197, "No market data during competing live session", FailureKind.COMPETING_SESSION),
    (162, f"{HMDS}invalid step: 1 day", FailureKind.INVALID_STEP),
    (162, f"{HMDS}API historical data query cancelled: 7", FailureKind.QUERY_LOST),
    (366, "No historical data query found for ticker id:7", FailureKind.QUERY_LOST),
    (162, f"{HMDS}HMDS server disconnect occurred.  Attempting reconnection...", FailureKind.SERVICE_TROUBLE),
    (162, f"{HMDS}No historical market data for EUR/CASH@FXSUBPIP Last 1d", FailureKind.REFUSED),
    (200, "No security definition has been found for the request", FailureKind.UNKNOWN_INSTRUMENT),
    (200, "The contract description specified for AAPL is ambiguous.", FailureKind.AMBIGUOUS_INSTRUMENT),
    (320, "Error reading request.", FailureKind.REFUSED),
    (321, "Error validating request.-'bH' : cause - Nope", FailureKind.REFUSED),
    (322, "Error processing request.-'bH' : cause - Duplicate ticker id", FailureKind.REFUSED),
    (10187, f"{HMDS}No market data permissions", FailureKind.NO_PERMISSION),
    (10314, "End Date/Time: The date is invalid", FailureKind.REFUSED),
    (10339, "Setting end date/time for continuous future is not allowed", FailureKind.REFUSED),
    (502, "Couldn't connect to TWS.", FailureKind.DISCONNECTED),
    (504, "Not connected", FailureKind.DISCONNECTED),
]


class SayRule(FaultRule):
    """Says something that belongs to no request, and leaves the request without an answer."""

    action: str = "say"
    code: int
    text: str

    def apply(self, exchange: Exchange) -> None:
        exchange.refuse(-1, RequestRefused(self.code, self.text))


class NewsRule(FaultRule):
    """Sends a message of an unknown kind before the answer."""

    action: str = "news"

    def apply(self, exchange: Exchange) -> None:
        exchange.connection.send([999, 1, "news"])
        exchange.proceed(exchange.connection)


def say(code: int, text: str) -> Action:
    return lambda message: SayRule(on=message, code=code, text=text)


def damage(kind: Damage) -> Action:
    return lambda message: MalformedRule(on=message, damage=kind)


async def test_every_code_and_text_has_its_outcome_and_the_next_request_is_answered() -> None:
    async with FaultyGateway() as gateway, host_requests(gateway) as host:
        for code, text, kind in ROWS:
            gateway.on(HISTORY, error(code, text))
            assert await host.week() is kind, (code, text)
            answer = await host.week()
            assert isinstance(answer, list), (code, text)
        assert len(gateway.requests(HISTORY)) == 2 * len(ROWS)
        assert not gateway.open_queries
        assert host.connection.picture.open_requests == 0


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (162, f"{HMDS}Historical data request pacing violation"),
        (420, "Invalid Real-time Query: Pacing violation"),
        (100, "Max rate of messages per second has been exceeded:max=50 rec=51 (1)"),
        (322, "Only 50 simultaneous API historical data requests allowed."),
    ],
)
async def test_pacing_is_told_with_the_pause_that_follows(code: int, text: str) -> None:
    async with FaultyGateway() as gateway, host_requests(gateway) as host:
        gateway.on(HISTORY, error(code, text))
        with pytest.raises(GatewayFailure) as failed:
            await ask_week(host)
        assert failed.value.kind is FailureKind.PACING
        assert failed.value.retry_after is not None
        assert 14.0 < failed.value.retry_after.total_seconds() <= 15.0


async def ask_week(host: Any, *, urgency: Urgency = Urgency.LOAD) -> Any:
    ask = Ask(datetime(2012, 1, 14, tzinfo=UTC), Duration(5, "D"))
    query = HistoryQuery(APPLE, BAR_LENGTHS[bars_pb2.BAR_SIZE_1_DAY], "TRADES", use_rth=True, ask=ask)
    return await host.requests.history(query, urgency=urgency)


async def test_pacing_that_names_no_request_is_heard_and_explains_the_silence() -> None:
    async with FaultyGateway() as gateway, host_requests(gateway) as host:
        gateway.on(HISTORY, say(100, "Max rate of messages per second has been exceeded:max=50 rec=51 (1)"))
        asking = asyncio.ensure_future(ask_week(host))
        await eventually(lambda: gateway.journal.fired)
        assert isinstance(await host.time(), datetime)  # what the gateway said before it has been heard, too
        with pytest.raises(GatewayFailure, match="Too many messages in a second") as failed:
            await host.in_vain(asking)
        assert (failed.value.kind, failed.value.code) == (FailureKind.PACING, 100)
        await eventually(lambda: len(gateway.requests(CANCEL)) == 1)


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (507, "Bad message length", FailureKind.STREAM_BROKEN),
        (1300, "TWS socket port has been reset and this connection is being dropped.", FailureKind.DISCONNECTED),
        (504, "Not connected", FailureKind.DISCONNECTED),
    ],
)
async def test_what_ends_the_connection_ends_its_requests_and_the_host_connects_anew(
    code: int, text: str, kind: FailureKind
) -> None:
    async with FaultyGateway() as gateway, host_requests(gateway) as host:
        gateway.on(HISTORY, say(code, text))
        assert await host.week() is kind
        await eventually(lambda: len(gateway.requests(Inbound.START_API)) == 2)
        await host.up()
        assert isinstance(await host.week(), list)


async def test_an_answer_that_cannot_be_decoded_ends_its_request_at_once() -> None:
    async with FaultyGateway() as gateway, host_requests(gateway) as host:
        gateway.on(Inbound.HEAD_TIMESTAMP, damage("bad_date"))
        gateway.on(HISTORY, damage("short"), damage("bad_number"))
        gateway.on(Inbound.CONTRACT_DETAILS, damage("short"))
        gateway.on(Inbound.MATCHING_SYMBOLS, damage("bad_number"))
        gateway.on(Inbound.CURRENT_TIME, damage("bad_number"))
        asks: list[Awaitable[Any]] = [
            host.requests.head_timestamp(APPLE, "TRADES", use_rth=True),
            host.requests.schedule(APPLE, use_rth=True, end=JULY, duration="5 D"),
            ask_week(host),
            host.requests.contracts(APPLE),
            host.requests.matching_symbols("AAPL"),
            host.requests.current_time(),
        ]
        for ask in asks:
            with pytest.raises(GatewayFailure) as failed:
                await ask
            assert failed.value.kind is FailureKind.STREAM_BROKEN
        assert host.connection.picture.undecodable >= len(asks) - 1  # a bad date is found when the answer is read
        assert isinstance(await host.week(), list)


async def test_a_message_of_a_kind_unknown_is_counted_and_changes_nothing() -> None:
    async with FaultyGateway() as gateway, host_requests(gateway) as host:
        gateway.on(HISTORY, lambda message: NewsRule(on=message))
        assert isinstance(await host.week(), list)
        assert host.connection.picture.undecodable == 1
        assert len(gateway.requests(Inbound.START_API)) == 1


@pytest.mark.parametrize("ends", ["timeout", "cancelled"])
async def test_whatever_ends_the_wait_takes_the_query_back(ends: str) -> None:
    async with FaultyGateway() as gateway, host_requests(gateway) as host:
        gateway.on(HISTORY, silence, silence)
        gateway.on(Inbound.HEAD_TIMESTAMP, silence)
        kinds = await outcomes(
            host, ends, host.week(), host.requests.schedule(APPLE, use_rth=True, end=JULY, duration="5 D")
        )
        assert isinstance(await host.week(), list)  # three silences in a row would end the connection
        kinds += await outcomes(host, ends, host.requests.head_timestamp(APPLE, "TRADES", use_rth=True))
        await eventually(
            lambda: len(gateway.requests(CANCEL)) == 2 and len(gateway.requests(Inbound.CANCEL_HEAD_TIMESTAMP)) == 1
        )
        await eventually(lambda: not gateway.open_queries)
    if ends == "timeout":
        assert kinds == [FailureKind.TIMEOUT] * 3
    else:
        assert all(isinstance(kind, asyncio.CancelledError) for kind in kinds)


async def outcomes(host: HostRequests, ends: str, *asks: Awaitable[Any]) -> list[Any]:
    """Let requests be open together, end their wait, and return as what each failed."""
    asking = [asyncio.ensure_future(ask) for ask in asks]
    await eventually(lambda: host.connection.picture.open_requests == len(asks))
    if ends == "timeout":
        host.clock.run_ahead(TIMEOUT_SECONDS)
    else:
        for task in asking:
            task.cancel()
    ended = await asyncio.gather(*asking, return_exceptions=True)
    return [getattr(outcome, "kind", outcome) for outcome in ended]


async def test_a_late_answer_is_never_part_of_a_later_one() -> None:
    late = LateRule(on=HISTORY, seconds=0.4, symbol="AAPL")
    async with FaultyGateway() as gateway, host_requests(gateway) as host:
        gateway.on(HISTORY, lambda _: late)
        assert await host.in_vain(host.week()) is FailureKind.TIMEOUT
        first = await host.week("MSFT")
        await eventually(lambda: [query.change for query in gateway.journal.queries].count("answered") == 2)
        second = await host.week("MSFT")
        assert isinstance(first, list)
        assert isinstance(second, list)
        assert [bar.open for bar in first] == [bar.open for bar in second]
        assert len(first) == 5


async def test_three_silences_of_one_kind_connect_anew_though_the_gateway_tells_its_time() -> None:
    async with FaultyGateway() as gateway, host_requests(gateway) as host:
        gateway.on(HISTORY, silence, silence, silence)
        for _ in range(3):
            assert await host.in_vain(host.week()) is FailureKind.TIMEOUT
            if len(gateway.requests(HISTORY)) < 3:
                assert isinstance(await host.time(), datetime)
        await eventually(lambda: len(gateway.requests(Inbound.START_API)) == 2)
        await host.up()
        assert isinstance(await host.week(), list)


async def test_silences_that_a_broken_farm_explains_do_not_connect_anew() -> None:
    async with FaultyGateway() as gateway, host_requests(gateway) as host:
        gateway.tell(2105, "HMDS data farm connection is broken:ushmds")
        await eventually(lambda: host.connection.picture.outage("history"))
        gateway.on(HISTORY, *[silence] * 4)
        assert [await host.in_vain(host.week()) for _ in range(4)] == [FailureKind.TIMEOUT] * 4
        assert isinstance(await host.week(), list)
        assert len(gateway.requests(Inbound.START_API)) == 1


async def test_a_person_does_not_wait_for_ib_to_come_back() -> None:
    async with FaultyGateway() as gateway, host_requests(gateway) as host:
        gateway.on(HISTORY, silence)
        asking = asyncio.ensure_future(ask_week(host, urgency=Urgency.PERSON))
        await eventually(lambda: gateway.requests(HISTORY))
        gateway.tell(1100, "Connectivity between IB and Trader Workstation has been lost.")
        await eventually(lambda: host.connection.link is Link.IB_DOWN)
        with pytest.raises(GatewayFailure, match="has lost its connection to IB") as failed:
            await host.in_vain(asking)
        assert failed.value.kind is FailureKind.LINK_LOST


async def test_nothing_is_sent_while_ib_is_away() -> None:
    async with FaultyGateway() as gateway, host_requests(gateway) as host:
        gateway.tell(2110, "Connectivity between Trader Workstation and server is broken.")
        await eventually(lambda: host.connection.link is Link.IB_DOWN)
        assert await host.week() is FailureKind.LINK_LOST
        assert await host.contract() is FailureKind.LINK_LOST
        assert isinstance(await host.time(), datetime)
        assert not gateway.requests(HISTORY)


async def test_a_gateway_that_speaks_another_language_is_noticed_and_what_to_do_is_told() -> None:
    async with FaultyGateway() as gateway, host_requests(gateway) as host:
        before = host.connection.picture
        gateway.on(HISTORY, error(162, "Fehler des historischen Marktdatendienstes: HMDS-Abfrage lieferte keine Daten"))
        with pytest.raises(GatewayFailure, match="Show API messages in English") as failed:
            await ask_week(host)
        assert failed.value.kind is FailureKind.SERVICE_TROUBLE
        after = host.connection.picture
        assert (before.english, after.english) == (True, False)
        assert after.foreign_text.startswith("Fehler des historischen")
