"""The host's requests to a gateway that behaves: what they ask, and what comes back."""

from datetime import UTC, datetime

import pytest
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.bar_sizes import BAR_LENGTHS
from services.ib_host.planning.chunks import Ask
from services.ib_host.planning.steps import Duration
from services.ib_host.replay.messages import Inbound
from services.ib_host.requests.failures import FailureKind, GatewayFailure
from services.ib_host.requests.history_query import HistoryQuery
from tests.support.eventually import eventually
from tests.support.faulty_gateway import FaultyGateway
from tests.support.faulty_requests import host_requests, stock

APPLE = stock("AAPL")


async def test_when_a_history_begins() -> None:
    async with FaultyGateway() as gateway, host_requests(gateway) as host:
        head = await host.requests.head_timestamp(APPLE, "TRADES", use_rth=True)
        assert head == datetime(2000, 3, 1, 14, 30, tzinfo=UTC)
        with pytest.raises(GatewayFailure, match="returned no data") as failed:
            await host.requests.head_timestamp(APPLE, "BID_ASK", use_rth=True)
        assert failed.value.kind is FailureKind.NO_DATA
        await eventually(lambda: len(gateway.requests(Inbound.CANCEL_HEAD_TIMESTAMP)) == 2)  # else it counts as open


async def test_the_sessions_of_an_instrument() -> None:
    async with FaultyGateway() as gateway, host_requests(gateway) as host:
        end = datetime(2012, 7, 7, tzinfo=UTC)
        sessions = await host.requests.schedule(APPLE, use_rth=True, end=end, duration="5 D")
    assert [session.date.isoformat() for session in sessions] == [
        "2012-06-29", "2012-07-02", "2012-07-03", "2012-07-05", "2012-07-06",
    ]  # fmt: skip
    assert (sessions[0].start, sessions[0].end) == (
        datetime(2012, 6, 29, 13, 30, tzinfo=UTC),
        datetime(2012, 6, 29, 20, tzinfo=UTC),
    )


async def test_what_the_gateway_tells_of_an_instrument() -> None:
    async with FaultyGateway() as gateway, host_requests(gateway) as host:
        (details,) = await host.requests.contracts(APPLE)
    assert (details.instrument.symbol, details.instrument.time_zone) == ("AAPL", "US/Eastern")
    assert details.min_tick == 0.01
    assert "20130304:0930-20130304:1600" in details.liquid_hours
    assert details.trading_hours.startswith("20130301:")
    assert "SMART" in details.valid_exchanges


async def test_an_open_end_asks_up_to_now() -> None:
    async with FaultyGateway() as gateway, host_requests(gateway) as host:
        ask = Ask(None, Duration(5, "D"))
        query = HistoryQuery(APPLE, BAR_LENGTHS[bars_pb2.BAR_SIZE_1_DAY], "ADJUSTED_LAST", use_rth=True, ask=ask)
        answer = await host.requests.history(query)
        assert gateway.requests(Inbound.HISTORICAL_DATA)[0][15] == ""
    assert (len(answer.bars), answer.bars[-1].date.isoformat()) == (5, "2013-03-01")
    assert 0.0 < answer.seconds < 5.0
