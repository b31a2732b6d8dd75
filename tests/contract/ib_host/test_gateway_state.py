"""GetGateway on the wire: socket, link, farms, pacing, clock and library, told apart."""

from datetime import UTC
from pathlib import Path

from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.ib_host.connection.library import library_name
from services.ib_host.replay.messages import Inbound
from tests.support.eventually import eventually
from tests.support.faulty_gateway import FaultyGateway, silence
from tests.support.free_ports import ReservedPort
from tests.support.ib_host import ib_host, load_spec

UP = ib_pb2.GetGatewayResponse.LINK_UP


async def test_everything_is_told_of_a_gateway_that_is_there(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:

        async def clock_known() -> ib_pb2.GetGatewayResponse | None:
            answer = await host.gateway()
            return answer if answer.HasField("clock_check_time") else None

        answer = await eventually(clock_known)
        assert answer is not None
        assert (answer.address, answer.link, answer.socket_open) == (gateway.address, UP, True)
        assert (answer.source, answer.client_id, answer.consecutive_failures) == (bars_pb2.SOURCE_REPLAY, 17, 0)
        assert [(farm.name, farm.kind, farm.ok) for farm in answer.farms] == [
            ("usfarm", "market", True), ("ushmds", "history", True), ("secdefil", "contracts", True),
        ]  # fmt: skip
        assert answer.gateway_time.ToDatetime(UTC) == gateway.clock.now()
        stands = answer.gateway_time.ToDatetime(UTC) - answer.clock_check_time.ToDatetime(UTC)
        # Half a second, as gateways tell whole ones, and half the time that the answer took.
        assert 0.499 < (answer.clock_difference.ToTimedelta() - stands).total_seconds() < 30.0
        assert answer.library == library_name()
        assert (answer.pacing.slowdown, answer.pacing.waiting, answer.pacing.violations) == (1.0, 0, 0)
        assert not answer.pacing.HasField("pause")
        assert {window.name for window in answer.pacing.windows} >= {
            "short bars in 10 min", "messages in 1 s", "open requests",
        }  # fmt: skip
        assert (answer.problem, answer.HasField("retry_in")) == ("", False)
        assert answer.HasField("connected_for")


async def test_a_gateway_that_is_away_has_no_socket_and_a_reason(tmp_path: Path) -> None:
    nobody = ReservedPort()
    async with ib_host(tmp_path, f"127.0.0.1:{nobody.number}", reconnect_seconds=60.0) as host:

        async def tried() -> ib_pb2.GetGatewayResponse | None:
            answer = await host.gateway()
            return answer if answer.HasField("retry_in") else None

        answer = await eventually(tried)
    assert answer is not None
    assert (answer.socket_open, answer.link) == (False, ib_pb2.GetGatewayResponse.LINK_CONNECTING)
    assert "Nothing listens at" in answer.problem
    assert 0.0 < answer.retry_in.ToTimedelta().total_seconds() <= 60.0
    assert answer.library == library_name()
    assert answer.pacing.windows
    assert not answer.HasField("clock_check_time")


def window_of(answer: ib_pb2.GetGatewayResponse, name: str) -> ib_pb2.Pacing.Window:
    return next(window for window in answer.pacing.windows if window.name == name)


async def test_what_is_used_of_ibs_limits_is_told(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        await host.connected()

        async def used_a_moment_ago() -> ib_pb2.GetGatewayResponse | None:
            await host.bars.FindInstruments(ib_pb2.FindInstrumentsRequest(pattern="AAPL"), timeout=60)
            answer = await host.gateway()
            return answer if window_of(answer, "messages in 1 s").used else None

        answer = await eventually(used_a_moment_ago)
    assert answer is not None
    messages = window_of(answer, "messages in 1 s")
    assert messages.limit == 50
    assert 0 < messages.used <= messages.limit
    assert messages.length.ToTimedelta().total_seconds() == 1.0
    assert not window_of(answer, "open requests").HasField("length")


async def test_a_host_that_stops_takes_its_open_queries_back(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway:
        async with ib_host(tmp_path, gateway.address) as host:
            gateway.on(Inbound.HISTORICAL_DATA, *[silence] * 9)
            await host.start_load(load_spec("AAPL"))
            await eventually(lambda: gateway.open_queries)
            asked = len(gateway.requests(Inbound.HISTORICAL_DATA))
        await eventually(lambda: len(gateway.requests(Inbound.CANCEL_HISTORICAL_DATA)) == asked)
        await eventually(lambda: not gateway.client_ids)
        assert not gateway.open_queries
