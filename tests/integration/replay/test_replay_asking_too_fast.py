"""What a client meets that asks too fast, or for much: refusals in IB's words, slow answers, and counts of both."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.ib_host.replay.faults.catalogue import fault
from services.ib_host.replay.faults.rule import FaultRule
from services.ib_host.replay.faults.rulebook import Faults
from services.ib_host.replay.pacing.engine import PacingRule
from services.ib_host.replay.pacing.limits import PacingMode
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings
from tests.integration.replay.conftest import Connect, RawClient
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock
from tests.support.gateway_library import library

APPLE = library.Stock("AAPL", "SMART", "USD")
PACING = (162, "Historical Market Data Service error message:Historical data request pacing violation")


def gateway_with(*rules: FaultRule, clock: FakeClock | None = None, **settings: Any) -> ReplayServer:
    faults = Faults(rules, seed=settings.pop("faults_seed", 0))
    return ReplayServer(ReplaySettings(port=0, **settings), faults=faults, wall_clock=clock)


@pytest.mark.parametrize(("mode", "refused"), [("off", 0), ("ib", 0), ("strict", 1)])
async def test_identical_requests_are_refused_where_the_rule_applies(connect: Connect, mode: str, refused: int) -> None:
    clock = FakeClock()
    async with gateway_with(clock=clock, pacing=PacingMode(mode)) as gateway:
        client = await connect(gateway)
        answers = [await client.bars(APPLE, "5 D") for _ in range(2)]
        assert client.refusals == [PACING] * refused
        assert [len(bars) for bars in answers] == [5, 0 if refused else 5]
        assert gateway.pacing.violations == ({"identical": 1} if refused else {})
        assert [one.rule for one in gateway.journal.violations] == ["identical"] * refused
        clock.advance(15)
        assert len(await client.bars(APPLE, "5 D")) == 5


async def test_short_bars_are_paced_as_ib_does(connect: Connect) -> None:
    clock = FakeClock()
    async with gateway_with(
        clock=clock, pacing=PacingMode.IB, pacing_scale=0.01, data="generated:AAPL?days=2"
    ) as gateway:
        client, end = await connect(gateway), gateway.clock.now()
        for number in range(60):
            clock.advance(0.09)
            when = f"{end - timedelta(seconds=number):%Y%m%d-%H:%M:%S}"
            await client.bars(APPLE, "60 S", "1 secs", end=when)
        assert PACING not in client.refusals
        await client.bars(APPLE, "3600 S", "5 secs")
        assert client.refusals[-1] == PACING
        assert gateway.pacing.peaks[PacingRule.ALL] == 61
        assert len(await client.bars(APPLE, "1 D", "1 min")) > 100


async def test_the_fifty_first_open_request_is_refused_and_head_timestamps_count() -> None:
    contract = (0, "AAPL", "STK", "", 0, "", "", "SMART", "", "USD", "", "")
    async with gateway_with(fault("silent", times=None), pacing=PacingMode.IB, message_rate=1000) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        client = RawClient(reader, writer)
        await client.start()
        client.send(87, 1, *contract, 0, 1, "TRADES", 2)
        assert (await client.receive())[:2] == ["88", "1"]
        for days in range(1, 51):
            client.send(20, 100 + days, *contract, 0, "", "1 day", f"{days} D", 1, "TRADES", 2, 0, "")
        answer = await client.receive()
        assert answer[2:4] == ["150", "322"]
        assert "Only 50 simultaneous API historical data requests allowed." in answer[4]
        client.send(90, 1)
        client.send(20, 200, *contract, 0, "", "1 day", "60 D", 1, "TRADES", 2, 0, "")
        await eventually(lambda: len(gateway.open_queries) == 50)
        assert (gateway.pacing.peaks[PacingRule.OPEN], gateway.journal.summary.peak_open) == (51, 50)
        writer.close()
        await writer.wait_closed()


async def test_too_many_messages_in_a_second_meet_100_and_then_the_end() -> None:
    clock = FakeClock()
    async with gateway_with(clock=clock, message_rate=10) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        client = RawClient(reader, writer)
        await client.start()
        for _ in range(12):
            client.send(49, 1)
        answers = [(await client.receive())[:4] for _ in range(12)]
        assert [answer[0] for answer in answers] == ["49"] * 9 + ["4"] * 3
        assert [answer[3] for answer in answers[9:]] == ["100"] * 3
        assert await client.rest() == b""
        assert gateway.journal.summary.violations == {"messages": 3}
        writer.close()
        await writer.wait_closed()


async def test_a_big_answer_is_slow_and_is_not_sent_when_it_was_cancelled(connect: Connect) -> None:
    clock = FakeClock()
    rule = fault("slow", per_thousand_bars=100, free_bars=5, per_day=None, free_days=None, jitter=None)
    async with gateway_with(rule, clock=clock) as gateway:
        client = await connect(gateway)
        assert len(await client.bars(APPLE, "5 D")) == 5
        big = asyncio.create_task(client.bars(APPLE, "15 D"))
        await eventually(lambda: clock.sleeping == 1)
        clock.advance(0.9)
        assert gateway.open_queries
        clock.advance(0.1)
        assert len(await big) == 15
        given_up = asyncio.create_task(client.bars(APPLE, "15 D"))
        await eventually(lambda: clock.sleeping == 1)
        client.ib.client.cancelHistoricalData(gateway.journal.queries[-1].request_id)
        assert await given_up == []
        clock.advance(1)
        assert gateway.journal.summary.queries == {"opened": 3, "answered": 2, "cancelled": 1}


async def test_a_long_span_is_slow_even_where_it_has_few_bars(connect: Connect) -> None:
    clock = FakeClock()
    rule = fault("slow", per_day=1, free_days=5, per_thousand_bars=None, free_bars=None, jitter=None)
    async with gateway_with(rule, clock=clock) as gateway:
        client = await connect(gateway)
        asking = asyncio.create_task(client.bars(APPLE, "2 W", "1W"))
        await eventually(lambda: clock.sleeping == 1)
        clock.advance(4.9)
        assert gateway.open_queries
        clock.advance(0.1)
        assert len(await asking) == 2


async def delays_of(connect: Connect, seed: int) -> list[float]:
    clock, delays = FakeClock(), list[float]()
    async with gateway_with(fault("delay", seconds=1, jitter=2), clock=clock, faults_seed=seed) as gateway:
        client = await connect(gateway, client_id=seed)
        for _ in range(3):
            asking = asyncio.create_task(client.bars(APPLE, "5 D"))
            await eventually(lambda: clock.sleeping == 1)
            delays.append(clock.next_due - clock.monotonic())
            clock.advance(delays[-1])
            assert len(await asking) == 5
    return delays


async def test_jitter_is_the_same_for_the_same_seed(connect: Connect) -> None:
    first, again, other = await delays_of(connect, 1), await delays_of(connect, 1), await delays_of(connect, 2)
    assert first == pytest.approx(again)
    assert first != pytest.approx(other)
    assert all(1 <= delay <= 3 for delay in first)
    assert len(set(first)) == 3


async def test_latency_has_jitter_too(connect: Connect) -> None:
    clock = FakeClock()
    async with gateway_with(clock=clock, latency_ms=1000, jitter_ms=500) as gateway:
        client = await connect(gateway)
        due = []
        for _ in range(2):
            asking = asyncio.create_task(client.bars(APPLE, "5 D"))
            await eventually(lambda: clock.sleeping == 1)
            due.append(clock.next_due - clock.monotonic())
            clock.advance(due[-1])
            assert len(await asking) == 5
        assert due[0] != pytest.approx(due[1])
        assert all(1 <= seconds <= 1.5 for seconds in due)


async def test_a_notice_ends_nothing(connect: Connect) -> None:
    async with gateway_with(fault("info")) as gateway:
        client = await connect(gateway)
        assert len(await client.bars(APPLE, "5 D")) == 5
        assert client.refusals == [(165, "Historical Market Data Service query message:Trying to connect")]


@pytest.mark.parametrize("padded", [True, False])
async def test_an_answer_fills_whole_pieces_only_where_it_is_to(padded: bool) -> None:
    lengths = []
    async with gateway_with(*[fault("pad")] if padded else []) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        client = RawClient(reader, writer)
        await client.start()
        for days in range(50, 60):
            contract = (0, "AAPL", "STK", "", 0, "", "", "SMART", "", "USD", "", "")
            client.send(20, days, *contract, 0, "", "1 day", f"{days} D", 1, "TRADES", 2, 0, "")
            head = await reader.readexactly(4)
            body = await reader.readexactly(int.from_bytes(head, "big"))
            assert body.split(b"\0")[4] == str(days).encode()
            lengths.append(len(head) + len(body))
        writer.close()
        await writer.wait_closed()
    assert [length % 4096 == 0 for length in lengths] == [padded] * 10
