"""Faults on cue, as the host's own requests over the unmodified client library meet them."""

import asyncio
from datetime import UTC, datetime

import pytest

from services.ib_host.connection.notices import Link
from services.ib_host.replay.faults.answers import DelayRule, ErrorRule, SilentRule
from services.ib_host.replay.faults.closing import AbortRule, DisconnectRule
from services.ib_host.replay.faults.rule import FaultRule
from services.ib_host.replay.faults.rulebook import Faults
from services.ib_host.replay.messages import Inbound
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings
from services.ib_host.requests.failures import FailureKind
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock
from tests.support.faulty_requests import host_requests

HISTORY = Inbound.HISTORICAL_DATA
NOW = datetime(2013, 3, 2, tzinfo=UTC)


def gateway_with(*rules: FaultRule, clock: FakeClock | None = None) -> ReplayServer:
    return ReplayServer(ReplaySettings(port=0), faults=Faults(rules), wall_clock=clock)


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (162, "Historical Market Data Service error message:Historical data request pacing violation", "PACING"),
        (162, "Historical Market Data Service error message:HMDS query returned no data: AAPL@SMART Trades", "NO_DATA"),
        (200, "No security definition has been found for the request", "UNKNOWN_INSTRUMENT"),
        (321, "Error validating request.-'bH' : cause - Nope", "REFUSED"),
        (10197, "No market data during competing live session", "COMPETING_SESSION"),
    ],
)
async def test_an_error_ends_the_request_as_what_it_means(code: int, text: str, kind: str) -> None:
    rule = ErrorRule(on=HISTORY, name="wrong", times=1, code=code, text=text)
    async with gateway_with(rule) as gateway, host_requests(gateway) as host:
        assert await host.week() is FailureKind[kind]
        [fired] = gateway.journal.fired
        assert (fired.client_id, fired.rule, fired.action, fired.fields[:1]) == (17, "wrong", "error", ("20",))
        assert not gateway.open_queries


async def test_after_its_times_a_rule_is_over_and_the_answer_is_the_usual_one() -> None:
    rule = ErrorRule(on=HISTORY, symbol="AAPL", nth=2, times=1, code=321, text="Nope")
    async with gateway_with(rule) as gateway, host_requests(gateway) as host:
        outcomes = [await host.week(symbol) for symbol in ("AAPL", "MSFT", "AAPL", "AAPL")]
        assert [outcome if isinstance(outcome, FailureKind) else len(outcome) for outcome in outcomes] == [
            5, 5, FailureKind.REFUSED, 5,
        ]  # fmt: skip
        [count] = gateway.faults.counts
        assert (count.matched, count.fired) == (3, 1)


async def test_a_query_met_with_silence_stays_open_until_it_is_cancelled() -> None:
    async with gateway_with(SilentRule(on=HISTORY)) as gateway, host_requests(gateway) as host:
        asking = asyncio.create_task(host.week())
        await eventually(lambda: gateway.open_queries)
        assert await host.in_vain(asking) is FailureKind.TIMEOUT
        await eventually(lambda: not gateway.open_queries)
        assert len(gateway.journal.of(Inbound.CANCEL_HISTORICAL_DATA)) == 1


async def test_silence_for_a_message_that_is_no_query_leaves_nothing_open() -> None:
    rule = SilentRule(on=Inbound.CURRENT_TIME, times=1)
    async with gateway_with(rule) as gateway, host_requests(gateway) as host:
        assert await host.in_vain(host.time()) is FailureKind.TIMEOUT
        assert not gateway.open_queries
        assert await host.time() == NOW


@pytest.mark.parametrize("rule", [DisconnectRule(on=HISTORY, times=1), AbortRule(on=HISTORY, times=1)])
async def test_a_connection_that_ends_ends_the_request_and_the_host_comes_back(rule: FaultRule) -> None:
    async with gateway_with(rule) as gateway, host_requests(gateway) as host:
        assert await host.week() is FailureKind.DISCONNECTED
        await eventually(lambda: host.connection.link is not Link.UP)
        await host.up()
        bars = await host.week()
        assert isinstance(bars, list)
        assert len(bars) == 5


async def test_a_delayed_answer_comes_when_it_is_due_by_the_clock() -> None:
    clock = FakeClock()
    rules = (DelayRule(on=HISTORY, seconds=30), DelayRule(on=Inbound.CURRENT_TIME, seconds=7))
    async with gateway_with(*rules, clock=clock) as gateway, host_requests(gateway) as host:
        asking = [asyncio.create_task(host.week()), asyncio.create_task(host.time())]
        await eventually(lambda: clock.sleeping == 2)
        assert gateway.open_queries == {(17, gateway_request_id(gateway))}
        clock.advance(7)
        assert await asking[1] == NOW
        assert not asking[0].done()
        clock.advance(23)
        bars = await asking[0]
        assert isinstance(bars, list)
        assert len(bars) == 5
        await eventually(lambda: not gateway.open_queries)


async def test_a_delayed_query_that_is_cancelled_is_never_answered() -> None:
    clock = FakeClock()
    rule = DelayRule(on=HISTORY, seconds=30, times=1)
    async with gateway_with(rule, clock=clock) as gateway, host_requests(gateway) as host:
        assert await host.in_vain(host.week()) is FailureKind.TIMEOUT
        await eventually(lambda: gateway.journal.of(Inbound.CANCEL_HISTORICAL_DATA))
        clock.advance(30)
        assert len(bars := await host.week()) == 5, bars  # type: ignore[arg-type]  # a failure has no length
        assert not gateway.open_queries


def gateway_request_id(gateway: ReplayServer) -> int:
    return int(gateway.journal.of(HISTORY)[-1].fields[1])
