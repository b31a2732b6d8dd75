"""Troubles of the whole gateway: restarts, nights, other sessions, prices that change; by messages and by the clock."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest

from services.ib_host.replay.faults.catalogue import fault
from services.ib_host.replay.faults.rule import FaultRule
from services.ib_host.replay.faults.rulebook import Faults
from services.ib_host.replay.messages import Inbound
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings
from tests.integration.replay.conftest import Client, Connect
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock
from tests.support.gateway_library import library

APPLE = library.Stock("AAPL", "SMART", "USD")
IBM = library.Stock("IBM", "SMART", "USD")
WEEK = "20120114-00:00:00"


def gateway_with(*rules: FaultRule, clock: FakeClock | None = None, **settings: Any) -> ReplayServer:
    return ReplayServer(ReplaySettings(port=0, **settings), faults=Faults(rules), wall_clock=clock)


async def closes(client: Client, contract: Any = APPLE) -> Sequence[float]:
    return [bar.close for bar in await client.bars(contract, "5 D", end=WEEK)]


async def is_listening(gateway: ReplayServer) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    except ConnectionRefusedError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def test_a_restart_closes_all_connections_and_refuses_new_ones_for_a_while(connect: Connect) -> None:
    clock = FakeClock()
    rule = fault("restart_zombies", nth=1, seconds=20, zombie_seconds=60)
    async with gateway_with(rule, clock=clock) as gateway:
        port = gateway.port
        one, other = await connect(gateway, client_id=1), await connect(gateway, client_id=2)
        with pytest.raises(ConnectionError):
            await one.bars(APPLE, "5 D")
        await eventually(lambda: not other.ib.client.isConnected())
        assert not await is_listening(gateway)
        await eventually(lambda: clock.sleeping == 3)  # the restart, and an id for each client
        clock.advance(20)
        await eventually(lambda: gateway.is_listening)
        assert (gateway.port, await is_listening(gateway)) == (port, True)
        assert gateway.client_ids == {1, 2}
        clock.advance(40)
        await eventually(lambda: not gateway.client_ids)
        assert len(await closes(await connect(gateway, client_id=1))) == 5


async def test_a_night_takes_the_link_the_gateway_and_the_farms(connect: Connect) -> None:
    clock = FakeClock()
    rule = fault("nightly_reset", nth=1, seconds=60, restart_seconds=30, farm_seconds=10)
    async with gateway_with(rule, clock=clock) as gateway:
        client = await connect(gateway)
        lost = asyncio.create_task(client.bars(APPLE, "5 D"))
        await eventually(lambda: (-1, 1100) in [error[:2] for error in client.errors])
        assert [code for _, code, _ in client.errors[-4:]] == [2103, 2105, 2157, 1100]
        assert gateway.open_queries
        clock.advance(60)
        with pytest.raises(ConnectionError):
            await lost
        assert not await is_listening(gateway)
        clock.advance(30)
        await eventually(lambda: gateway.is_listening)
        back = await connect(gateway)
        assert {2103, 2105, 2157} <= {code for _, code, _ in back.errors}
        assert await closes(back) == []
        assert back.refusals[-1][1].startswith("Historical Market Data Service error message:HMDS server disconnect")
        clock.advance(10)
        await eventually(lambda: 2158 in [code for _, code, _ in back.errors])
        assert len(await closes(back)) == 5


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("competing_session", 162, "Trading TWS session is connected from a different IP address"),
        ("competing_session_live", 10197, "No market data during competing live session"),
    ],
)
async def test_another_session_takes_the_history_until_it_ends(
    connect: Connect, name: str, code: int, words: str
) -> None:
    clock = FakeClock()
    async with gateway_with(fault(name, seconds=90), clock=clock) as gateway:
        client = await connect(gateway)
        assert [await closes(client), await closes(client)] == [[], []]
        assert [refused for refused, _ in client.refusals] == [code, code]
        assert words in client.refusals[0][1]
        assert await client.ib.reqContractDetailsAsync(APPLE)
        clock.advance(90)
        await asyncio.sleep(0)
        assert len(await closes(client)) == 5


async def test_permission_goes_by_the_exchange_where_a_stock_is_listed(connect: Connect) -> None:
    async with gateway_with(fault("permission")) as gateway:
        client = await connect(gateway)
        assert await closes(client, APPLE) == []
        assert client.refusals == [
            (162, "Historical Market Data Service error message:No market data permissions for NASDAQ STK")
        ]
        assert len(await closes(client, IBM)) == 5
        apple = gateway.history.instruments["AAPL"]
        assert await closes(client, library.Contract(conId=apple.con_id, exchange="SMART")) == []


@pytest.mark.parametrize("code", [354, 10089, 10090, 10186, 10189])
async def test_a_missing_subscription_has_other_codes_too(connect: Connect, code: int) -> None:
    async with gateway_with(fault("permission_live", code=code, exchange=None)) as gateway:
        client = await connect(gateway)
        assert await closes(client) == []
        assert [refused for refused, _ in client.refusals] == [code]


async def test_a_lost_link_may_be_told_with_2110(connect: Connect) -> None:
    clock = FakeClock()
    async with gateway_with(fault("connectivity_2110", seconds=60), clock=clock) as gateway:
        client = await connect(gateway)
        asking = asyncio.create_task(client.bars(APPLE, "5 D", end=WEEK))
        await eventually(lambda: (-1, 2110) in [error[:2] for error in client.errors])
        clock.advance(60)
        assert len(await asking) == 5
        assert [code for _, code, _ in client.errors[-2:]] == [2110, 1102]


async def test_a_split_that_becomes_known_changes_all_bars_before_it(connect: Connect) -> None:
    async with gateway_with(fault("split", ratio="3/2", day=date(2012, 1, 12))) as gateway:
        client = await connect(gateway)
        before, after = await closes(client), await closes(client)
        assert after == pytest.approx([*(price / 1.5 for price in before[:3]), *before[3:]])
        assert [bar.close for bar in gateway.history.bars("AAPL") if date(2012, 1, 9) <= bar.session][:5] == after
        assert await closes(client, IBM) == [
            bar.close for bar in gateway.history.bars("IBM") if date(2012, 1, 9) <= bar.session <= date(2012, 1, 13)
        ]


async def test_a_correction_changes_the_bars_of_its_days(connect: Connect) -> None:
    rule = fault("correction", first=date(2012, 1, 10), last=date(2012, 1, 11))
    async with gateway_with(rule) as gateway:
        client = await connect(gateway)
        before, after = await closes(client), await closes(client)
        assert after == pytest.approx([before[0], *(price * 1.02 for price in before[1:3]), *before[3:]])


async def test_rules_by_the_clock_happen_in_seconds_after_the_start_again_and_again(connect: Connect) -> None:
    clock = FakeClock()
    rule = fault("farm_market", on="clock", begin=30, every=60, seconds=5, times=2)
    async with gateway_with(rule, clock=clock) as gateway:
        client = await connect(gateway)
        happened = []
        for seconds in (29.0, 1.0, 59.0, 1.0, 60.0, 60.0):
            clock.advance(seconds)
            await eventually(lambda: len(gateway.journal.fired) == gateway.faults.counts[0].fired)
            for _ in range(5):
                await asyncio.sleep(0)
            happened.append(gateway.faults.counts[0].fired)
        assert happened == [0, 1, 1, 2, 2, 2]
        await eventually(lambda: [code for _, code, _ in client.errors].count(2103) == 2)


async def test_rules_can_be_added_and_taken_away_while_the_gateway_runs(connect: Connect) -> None:
    clock = FakeClock()
    async with gateway_with(clock=clock) as gateway:
        client = await connect(gateway)
        clock.advance(100)
        told = gateway.add_fault(fault("farm_market", on="clock", begin=5, every=10, times=None, seconds=1))
        late = gateway.add_fault(fault("unknown_contract", begin=20, times=None))
        await eventually(lambda: clock.sleeping)
        clock.advance(5)
        await eventually(lambda: told.fired == 1)
        assert await client.ib.reqContractDetailsAsync(APPLE)
        clock.advance(15)
        await eventually(lambda: told.fired == 2)
        assert not await client.ib.reqContractDetailsAsync(APPLE)
        gateway.clear_faults()
        clock.advance(100)
        assert await client.ib.reqContractDetailsAsync(APPLE)
        assert (told.fired, late.fired) == (2, 1)


async def test_rules_by_the_time_of_the_replay_happen_when_that_runs_or_is_moved(connect: Connect) -> None:
    clock, now = FakeClock(), datetime(2013, 3, 1, tzinfo=UTC)
    rules = (
        fault("split", on="clock", begin=datetime(2013, 3, 1, 1, tzinfo=UTC), nth=1),
        fault("silent", begin=datetime(2013, 3, 1, 2, tzinfo=UTC), times=None),
    )
    async with gateway_with(*rules, clock=clock, now=now, speed=60) as gateway:
        client = await connect(gateway)
        before = await closes(client)
        await eventually(lambda: clock.sleeping)
        clock.advance(60)
        await eventually(lambda: gateway.journal.fired)
        assert await closes(client) == pytest.approx([price / 2 for price in before])
        gateway.move_to(datetime(2013, 3, 1, 2, tzinfo=UTC))
        asking = asyncio.create_task(client.bars(APPLE, "5 D"))
        await eventually(lambda: gateway.open_queries)
        assert not asking.done()
        asking.cancel()
    async with gateway_with(rules[0], now=now) as gateway:
        assert not gateway.journal.fired
        gateway.move_to(datetime(2013, 3, 1, 1, tzinfo=UTC))
        assert [fired.action for fired in gateway.journal.fired] == ["split"]
        assert gateway.journal.fired[0].fields == ()


async def test_a_rule_by_the_clock_happens_once_however_its_time_has_come() -> None:
    clock, now = FakeClock(), datetime(2013, 3, 1, tzinfo=UTC)
    begin = datetime(2013, 3, 1, 0, 30, tzinfo=UTC)
    rules = [fault("farm_market", on="clock", begin=begin, times=None, every=every) for every in (None, 1000)]
    async with gateway_with(*rules, clock=clock, now=now, speed=60) as gateway:
        await eventually(lambda: clock.sleeping == 2)
        gateway.move_to(begin)
        assert [count.fired for count in gateway.faults.counts] == [1, 1]
        await eventually(lambda: clock.sleeping == 5)  # the ends of both troubles, and the repetition
        clock.advance(30)  # wakes the timers of the start, too
        await eventually(lambda: clock.sleeping == 1)
        assert [count.fired for count in gateway.faults.counts] == [1, 1]
        clock.advance(970)
        await eventually(lambda: gateway.faults.counts[1].fired == 2)
        assert gateway.faults.counts[0].fired == 1


async def test_a_split_by_its_date_becomes_known_when_the_present_reaches_it(connect: Connect) -> None:
    data = "generated:XYZ?days=10&start=2024-03-04&split=XYZ:2024-03-08:2"
    contract = library.Stock("XYZ", "SMART", "USD")
    async with ReplayServer(ReplaySettings(port=0, data=data, now=datetime(2024, 3, 8, tzinfo=UTC))) as gateway:
        client = await connect(gateway)
        before = [bar.close for bar in await client.bars(contract, "3 D", end="20240308-00:00:00")]
        gateway.move_to(datetime(2024, 3, 9, tzinfo=UTC))
        after = [bar.close for bar in await client.bars(contract, "3 D", end="20240308-00:00:00")]
    assert len(before) == 3
    assert before == [price * 2 for price in after]


async def test_what_clients_ask_is_in_the_summary(connect: Connect) -> None:
    async with gateway_with(fault("silent", nth=2)) as gateway:
        client = await connect(gateway)
        assert await closes(client)
        asking = asyncio.create_task(client.bars(APPLE, "1 D"))
        await eventually(lambda: gateway.journal.summary.open == 1)
        client.ib.client.cancelHistoricalData(gateway.journal.queries[-1].request_id)
        assert await asking == []
        summary = gateway.journal.summary
        assert (summary.requests["historical_data"], summary.requests["cancel_historical_data"]) == (2, 1)
        assert (summary.queries, summary.faults) == ({"opened": 2, "answered": 1, "cancelled": 1}, {"silent": 1})
        assert (summary.open, summary.peak_open, gateway.open_queries) == (0, 1, frozenset())
        assert [len(gateway.journal.of(Inbound.HISTORICAL_DATA)), len(gateway.journal.queries)] == [2, 4]


async def test_queries_of_a_client_that_leaves_are_dropped(connect: Connect) -> None:
    async with gateway_with(fault("silent")) as gateway:
        client = await connect(gateway)
        asking = asyncio.create_task(client.bars(APPLE, "1 D"))
        await eventually(lambda: gateway.open_queries)
        await client.disconnect()
        await eventually(lambda: not gateway.client_ids)
        await eventually(lambda: gateway.journal.summary.queries == {"opened": 1, "dropped": 1})
        assert gateway.journal.summary.open == 0
        asking.cancel()
