"""Answers that are cut, damaged, changed, late or trickling, as the host's own requests and raw sockets meet them."""

import asyncio
import socket
from typing import Any

import pytest

from services.ib_host.replay.connection import encode
from services.ib_host.replay.faults.answers import LateRule, PacingRule
from services.ib_host.replay.faults.bars import BarsRule
from services.ib_host.replay.faults.closing import AbortRule, CutRule, DisconnectRule
from services.ib_host.replay.faults.drip import DripRule
from services.ib_host.replay.faults.malformed import Damage, MalformedRule
from services.ib_host.replay.faults.rule import FaultRule
from services.ib_host.replay.faults.rulebook import Faults
from services.ib_host.replay.messages import Inbound
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings
from services.ib_host.requests.failures import FailureKind
from tests.integration.replay.conftest import RawClient
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock
from tests.support.faulty_requests import host_requests

HISTORY = Inbound.HISTORICAL_DATA
WEEK = ("0", "AAPL", "STK", "", "0.0", "", "", "SMART", "", "USD", "", "", "0", "20120114-00:00:00", "1 day", "5 D")
ASK = (20, 5, *WEEK, "1", "TRADES", "2", "0", "")
DAYS = ["20120109", "20120110", "20120111", "20120112", "20120113"]


def gateway_with(*rules: FaultRule, clock: FakeClock | None = None) -> ReplayServer:
    return ReplayServer(ReplaySettings(port=0), faults=Faults(rules), wall_clock=clock)


async def received(rule: FaultRule) -> tuple[bytes, bool]:
    """Return all bytes that come instead of an answer, and whether the connection was reset."""
    async with gateway_with(rule) as gateway:
        loop = asyncio.get_running_loop()
        with socket.socket() as connection:
            connection.setblocking(False)
            await loop.sock_connect(connection, ("127.0.0.1", gateway.port))
            await loop.sock_sendall(connection, b"API\0\0\0\0\x09v157..176")
            await loop.sock_recv(connection, 100)
            await loop.sock_sendall(connection, encode(["71", "2", "9", ""]))
            opening = b""
            while not opening.endswith(b"secdefil\0\0"):
                opening += await loop.sock_recv(connection, 1000)
            await loop.sock_sendall(connection, encode(ASK))
            data = b""
            try:
                while piece := await loop.sock_recv(connection, 1000):
                    data += piece
            except ConnectionResetError:
                return data, True
            return data, False


async def test_a_disconnect_is_an_end_and_an_abort_a_reset() -> None:
    assert await received(DisconnectRule(on=HISTORY)) == (b"", False)
    assert await received(AbortRule(on=HISTORY)) == (b"", True)


async def test_a_cut_answer_breaks_off_after_its_bytes_with_a_reset() -> None:
    data, reset = await received(CutRule(on=HISTORY, size=9))
    assert (data[4:], reset) == (b"17\x005\0", True)
    data, reset = await received(CutRule(on=HISTORY, size=4096))
    assert (len(data), reset) == (4 + int.from_bytes(data[:4], "big") - 1, True)


async def test_a_cut_answer_loses_its_request_only() -> None:
    rule = CutRule(on=HISTORY, size=9, times=1)
    async with gateway_with(rule) as gateway, host_requests(gateway) as host:
        assert await host.week() is FailureKind.DISCONNECTED
        await eventually(lambda: host.connection.session is None)
        await host.up()
        assert len(await bars_of(host)) == 5


BROKEN: dict[Damage, FailureKind] = {
    "bad_number": FailureKind.STREAM_BROKEN,
    "bad_date": FailureKind.STREAM_BROKEN,
    "short": FailureKind.STREAM_BROKEN,
    "bad_utf8": FailureKind.STREAM_BROKEN,
    "no_nul": FailureKind.STREAM_BROKEN,
    "unknown_id": FailureKind.TIMEOUT,
    "non_int_id": FailureKind.STREAM_BROKEN,
    "empty": FailureKind.TIMEOUT,
}


@pytest.mark.parametrize(("damage", "kind"), BROKEN.items())
async def test_a_damaged_answer_ends_its_request_and_the_host_goes_on(damage: Damage, kind: FailureKind) -> None:
    rule = MalformedRule(on=HISTORY, damage=damage, times=1)
    async with gateway_with(rule) as gateway, host_requests(gateway) as host:
        assert await (host.in_vain(host.week()) if kind is FailureKind.TIMEOUT else host.week()) is kind
        if damage == "non_int_id":  # no message at all: the host connects anew
            await eventually(lambda: len(gateway.journal.of(Inbound.START_API)) == 2)
            await host.up()
        assert len(await bars_of(host)) == 5


async def test_a_wrong_length_swallows_the_stream_so_the_host_connects_anew_at_once() -> None:
    rule = MalformedRule(on=HISTORY, damage="huge_len", times=1)
    async with gateway_with(rule) as gateway, host_requests(gateway) as host:
        assert await host.week() is FailureKind.STREAM_BROKEN
        await eventually(lambda: len(gateway.journal.of(Inbound.START_API)) == 2)
        await host.up()
        assert len(await bars_of(host)) == 5


async def test_an_error_is_sent_undamaged() -> None:
    rule = MalformedRule(on=HISTORY, damage="short")
    async with gateway_with(rule) as gateway, host_requests(gateway) as host:
        assert await host.week("NONE") is FailureKind.UNKNOWN_INSTRUMENT


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        (BarsRule(on=HISTORY, action="gap"), [DAYS[0], DAYS[1], DAYS[3], DAYS[4]]),
        (BarsRule(on=HISTORY, action="gap", count=3), [DAYS[0], DAYS[4]]),
        (BarsRule(on=HISTORY, action="gap", count=9), []),
        (BarsRule(on=HISTORY, action="dup", count=2), [*DAYS[:3], DAYS[1], DAYS[2], *DAYS[3:]]),
        (BarsRule(on=HISTORY, action="reverse"), DAYS[::-1]),
    ],
)
async def test_bars_are_left_out_repeated_or_reordered(rule: FaultRule, days: list[str]) -> None:
    async with gateway_with(rule) as gateway, host_requests(gateway) as host:
        assert [f"{bar.date:%Y%m%d}" for bar in await bars_of(host)] == days


async def test_the_same_answer_may_come_twice() -> None:
    async with gateway_with(BarsRule(on=HISTORY, action="twice")) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        client = RawClient(reader, writer)
        await client.start()
        client.send(*ASK)
        first = await client.receive()
        assert first[:2] == ["17", "5"]
        assert await client.receive() == first
        writer.close()
        await writer.wait_closed()


async def test_a_late_answer_comes_although_its_query_was_cancelled() -> None:
    clock = FakeClock()
    rule = LateRule(on=HISTORY, seconds=60, times=1)
    async with gateway_with(rule, clock=clock) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        client = RawClient(reader, writer)
        await client.start()
        client.send(*ASK)
        client.send(25, 1, 5)
        assert (await client.receive())[:4] == ["4", "2", "5", "162"]
        assert not gateway.open_queries
        clock.advance(60)
        assert (await client.receive())[:2] == ["17", "5"]
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("code", [100, 162, 420])
async def test_pacing_is_told_in_the_words_that_clients_know(code: Any) -> None:
    rule = PacingRule(on=HISTORY, code=code)
    async with gateway_with(rule) as gateway, host_requests(gateway) as host:
        asking = asyncio.ensure_future(host.week())
        if code == 100:  # said of no request in particular
            await eventually(lambda: gateway.journal.fired)
            assert not isinstance(await host.time(), FailureKind)  # what came before it has been heard, too
        assert await host.in_vain(asking) is FailureKind.PACING


async def test_a_trickling_answer_holds_up_what_comes_after_it() -> None:
    clock = FakeClock()
    rule = DripRule(on=HISTORY, seconds=1, size=100)
    async with gateway_with(rule, clock=clock) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        client = RawClient(reader, writer)
        await client.start()
        client.send(*ASK)
        await eventually(lambda: clock.sleeping)
        client.send(49, 1)
        await eventually(lambda: gateway.journal.of(Inbound.CURRENT_TIME))
        answer = asyncio.create_task(client.receive())
        pieces = 1
        while not answer.done():
            if clock.sleeping:
                clock.advance(1)
                pieces += 1
            await asyncio.sleep(0)
        fields = await answer
        assert fields[:2] == ["17", "5"]
        assert pieces == -(-len(encode(fields)) // 100)
        assert await client.receive() == ["49", "1", "1362182400"]
        writer.close()
        await writer.wait_closed()


async def test_a_trickling_answer_is_an_answer() -> None:
    async with (
        gateway_with(DripRule(on=HISTORY, seconds=0, size=50)) as gateway,
        host_requests(gateway) as host,
    ):
        assert len(await bars_of(host)) == 5


async def bars_of(host: Any) -> list[Any]:
    bars = await host.week()
    assert isinstance(bars, list), bars
    return bars
