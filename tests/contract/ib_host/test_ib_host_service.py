"""IbHostService over the wire: each RPC, each of its errors, and streams that are given up."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pytest
from google.rpc import error_details_pb2
from ktrdr.host.v1 import host_pb2
from ktrdr.host.v1.session_pb2 import HostKind, Session
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.common.bootstrap import running_server
from services.common.errors import status_of_call
from services.common.startup import CannotStartError
from services.ib_host.replay.messages import Inbound
from services.ib_host.service import IbHostService
from services.ib_host.settings import IbHostSettings
from tests.support.eventually import eventually
from tests.support.faulty_gateway import FaultyGateway, error, silence
from tests.support.gateway_library import NEWEST
from tests.support.hurried_clock import HurriedClock
from tests.support.ib_host import IbHost, ib_host, load_spec, reason_of_call, result_of

DAILY = bars_pb2.DatasetKey(instrument=bars_pb2.Instrument(symbol="AAPL"), bar_size=bars_pb2.BAR_SIZE_1_DAY)
NOWHERE = "127.0.0.1:9"


@pytest.fixture
async def gateway() -> AsyncIterator[FaultyGateway]:
    async with FaultyGateway() as server:
        yield server


@pytest.fixture
def clock() -> HurriedClock:
    return HurriedClock()


@pytest.fixture
async def host(tmp_path: Path, gateway: FaultyGateway, clock: HurriedClock) -> AsyncIterator[IbHost]:
    async with ib_host(tmp_path, gateway.address, clock=clock) as running:
        await running.connected()
        yield running


@pytest.fixture
async def lonely_host(tmp_path: Path) -> AsyncIterator[IbHost]:
    async with ib_host(tmp_path, NOWHERE) as running:
        yield running


def violations(failure: grpc.aio.AioRpcError) -> list[str]:
    status = status_of_call(failure)
    assert status is not None
    request = error_details_pb2.BadRequest()
    assert any(detail.Unpack(request) for detail in status.details if detail.Is(request.DESCRIPTOR))
    return [violation.field for violation in request.field_violations]


async def refused(call: Any, code: grpc.StatusCode, reason: str) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await (_drained(call) if hasattr(call, "__aiter__") else call)
    assert failure.value.code() is code, failure.value.details()
    assert reason_of_call(failure.value) == reason
    return failure.value


async def _drained(call: Any) -> None:
    async for _ in call:
        pass


def bars_request(start: datetime | None = None, end: datetime | None = None, **more: Any) -> ib_pb2.StreamBarsRequest:
    request = ib_pb2.StreamBarsRequest(**more)
    if start is not None:
        request.start_time.FromDatetime(start)
    if end is not None:
        request.end_time.FromDatetime(end)
    return request


async def streamed(host: IbHost, **more: Any) -> Sequence[ib_pb2.StreamBarsResponse]:
    return [response async for response in host.bars.StreamBars(bars_request(**more), timeout=60)]


def table_of(responses: Sequence[ib_pb2.StreamBarsResponse]) -> pa.Table:
    return pa.ipc.open_stream(b"".join(response.arrow_ipc for response in responses)).read_all()


class TestStartDataLoad:
    async def test_answers_with_the_session_that_host_service_follows(self, host: IbHost) -> None:
        session = await host.start_load(load_spec("AAPL"), session_id="op-1", attempt=2, labels={"for": "me"})
        assert (session.id, session.attempt, dict(session.labels)) == ("op-1", 2, {"for": "me"})
        assert session.kind == HostKind.HOST_KIND_IB
        ended = await host.ended("op-1")
        asked = ib_pb2.DataLoadSpec()
        assert ended.spec.Unpack(asked)
        assert asked == load_spec("AAPL")
        assert result_of(ended).loads[0].range_rows == 3270

    async def test_names_every_field_that_is_wrong(self, host: IbHost) -> None:
        start, end = datetime(2012, 1, 2, tzinfo=UTC), datetime(2012, 1, 1, tzinfo=UTC)
        spec = load_spec(" ", start=start, end=end, bar_size=bars_pb2.BAR_SIZE_UNSPECIFIED)
        call = host.bars.StartDataLoad(ib_pb2.StartDataLoadRequest(spec=spec), timeout=60)
        failure = await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert violations(failure) == ["spec.instruments[0].symbol", "spec.bar_size", "spec.end_time"]
        sessions = await host.host.ListSessions(host_pb2.ListSessionsRequest(), timeout=60)
        assert not sessions.sessions

    async def test_is_idempotent_and_refuses_another_body(self, host: IbHost) -> None:
        first = await host.start_load(load_spec("AAPL"), session_id="op-1", request_id="r-1")
        again = await host.start_load(load_spec("AAPL"), session_id="op-1", request_id="r-1")
        assert again.create_time == first.create_time
        other = ib_pb2.StartDataLoadRequest(spec=load_spec("IBM"), session_id="op-1")
        call = host.bars.StartDataLoad(other, timeout=60)
        await refused(call, grpc.StatusCode.ALREADY_EXISTS, "SESSION_EXISTS")
        other = ib_pb2.StartDataLoadRequest(spec=load_spec("IBM"), request_id="r-1")
        call = host.bars.StartDataLoad(other, timeout=60)
        await refused(call, grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
        await host.ended("op-1")

    async def test_a_full_host_says_so(self, tmp_path: Path) -> None:
        async with ib_host(tmp_path, NOWHERE, slots=1, queue_limit=1) as host:
            first = await host.start_load(load_spec("AAPL"))
            queued = await host.start_load(load_spec("AAPL"))
            assert (first.state, queued.state) == (Session.STATE_RUNNING, Session.STATE_QUEUED)
            call = host.bars.StartDataLoad(ib_pb2.StartDataLoadRequest(spec=load_spec("AAPL")), timeout=60)
            await refused(call, grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")


class TestGetGateway:
    async def test_tells_a_connection_with_all_it_knows(self, host: IbHost, gateway: FaultyGateway) -> None:
        async def time_known() -> bool:
            return (await host.gateway()).HasField("gateway_time")

        known: bool = await eventually(time_known)
        assert known
        response = await host.gateway()
        assert response.address == gateway.address
        assert response.link == ib_pb2.GetGatewayResponse.LINK_UP
        assert response.source == bars_pb2.SOURCE_REPLAY
        assert (response.server_version, response.client_id, response.open_requests) == (NEWEST, 17, 0)
        assert response.gateway_time.ToDatetime(UTC) == gateway.clock.now()
        assert response.HasField("connected_for")
        assert not response.problem
        description = await host.host.GetHost(host_pb2.GetHostRequest(), timeout=60)
        assert (description.gateway.connected, description.gateway.replay) == (True, True)
        assert description.gateway.state == "connected (REPLAY)"

    async def test_tells_why_there_is_none_and_when_it_is_tried_again(self, lonely_host: IbHost) -> None:
        async def tried() -> bool:
            return (await lonely_host.gateway()).consecutive_failures > 0

        failed: bool = await eventually(tried)
        assert failed
        response = await lonely_host.gateway()
        assert "Nothing listens at 127.0.0.1:9" in response.problem
        assert response.link == ib_pb2.GetGatewayResponse.LINK_CONNECTING
        assert response.source == bars_pb2.SOURCE_UNSPECIFIED
        description = await lonely_host.host.GetHost(host_pb2.GetHostRequest(), timeout=60)
        assert not description.gateway.connected


class TestFindInstruments:
    async def test_finds_by_symbol_and_name(self, host: IbHost) -> None:
        response = await host.bars.FindInstruments(ib_pb2.FindInstrumentsRequest(pattern="apple"), timeout=60)
        assert response.source == bars_pb2.SOURCE_REPLAY
        found = response.instruments[0]
        assert (found.symbol, found.contract_id, found.primary_exchange) == ("AAPL", 265598, "NASDAQ")
        assert (found.long_name, found.security_type) == ("APPLE INC", bars_pb2.SECURITY_TYPE_STOCK)

    async def test_a_kind_is_a_filter_and_nothing_is_an_answer(self, host: IbHost) -> None:
        request = ib_pb2.FindInstrumentsRequest(pattern="AAPL", security_type=bars_pb2.SECURITY_TYPE_FUTURE)
        assert not (await host.bars.FindInstruments(request, timeout=60)).instruments

    @pytest.mark.parametrize("pattern", ["", "  ", "x" * 65, "a\0b"])
    async def test_refuses_a_pattern_that_is_none(self, host: IbHost, pattern: str) -> None:
        call = host.bars.FindInstruments(ib_pb2.FindInstrumentsRequest(pattern=pattern), timeout=60)
        failure = await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert violations(failure) == ["pattern"]

    async def test_without_a_gateway_it_says_so_at_once(self, lonely_host: IbHost) -> None:
        call = lonely_host.bars.FindInstruments(ib_pb2.FindInstrumentsRequest(pattern="AAPL"), timeout=60)
        failure = await refused(call, grpc.StatusCode.UNAVAILABLE, "GATEWAY_UNAVAILABLE")
        assert NOWHERE in (failure.details() or "")

    async def test_a_silent_gateway_is_a_timeout(
        self, host: IbHost, gateway: FaultyGateway, clock: HurriedClock
    ) -> None:
        gateway.on(Inbound.MATCHING_SYMBOLS, silence)
        call = host.bars.FindInstruments(ib_pb2.FindInstrumentsRequest(pattern="AAPL"), timeout=60)
        await eventually(lambda: gateway.requests(Inbound.MATCHING_SYMBOLS))
        clock.run_ahead(60.0)
        await refused(call, grpc.StatusCode.DEADLINE_EXCEEDED, "GATEWAY_TIMEOUT")
        assert (await host.gateway()).open_requests == 0

    async def test_a_refusal_of_the_gateway_keeps_its_words(self, host: IbHost, gateway: FaultyGateway) -> None:
        gateway.on(Inbound.MATCHING_SYMBOLS, error(321, "Error validating request: no"))
        call = host.bars.FindInstruments(ib_pb2.FindInstrumentsRequest(pattern="AAPL"), timeout=60)
        failure = await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "GATEWAY_REFUSED")
        assert "Error validating request: no (code 321)" in (failure.details() or "")

    async def test_a_call_that_is_given_up_leaves_nothing_open(self, host: IbHost, gateway: FaultyGateway) -> None:
        gateway.on(Inbound.MATCHING_SYMBOLS, silence)
        call = host.bars.FindInstruments(ib_pb2.FindInstrumentsRequest(pattern="AAPL"), timeout=60)
        await eventually(lambda: gateway.requests(Inbound.MATCHING_SYMBOLS))
        call.cancel()

        async def idle() -> bool:
            return (await host.gateway()).open_requests == 0

        done: bool = await eventually(idle)
        assert done


class TestListDatasets:
    async def test_lists_what_is_stored_in_pages(self, host: IbHost) -> None:
        start = datetime(2013, 1, 1, tzinfo=UTC)
        result_of(await host.load(load_spec("MSFT", "AAPL", "IBM", start=start)))
        first = await host.bars.ListDatasets(ib_pb2.ListDatasetsRequest(page_size=2), timeout=60)
        assert [dataset.key.instrument.symbol for dataset in first.datasets] == ["AAPL", "IBM"]
        request = ib_pb2.ListDatasetsRequest(page_size=2, page_token=first.next_page_token)
        rest = await host.bars.ListDatasets(request, timeout=60)
        assert [dataset.key.instrument.symbol for dataset in rest.datasets] == ["MSFT"]
        assert rest.next_page_token == ""
        dataset = first.datasets[0]
        assert (dataset.rows, dataset.version, len(dataset.fingerprint)) == (41, 1, 64)
        assert dataset.size_bytes > 0
        one = await host.bars.ListDatasets(ib_pb2.ListDatasetsRequest(symbol="ibm"), timeout=60)
        assert [found.key.instrument.symbol for found in one.datasets] == ["IBM"]

    async def test_refuses_a_token_that_is_not_its_own(self, host: IbHost) -> None:
        call = host.bars.ListDatasets(ib_pb2.ListDatasetsRequest(page_token="rubbish"), timeout=60)
        await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")

    async def test_refuses_a_negative_page(self, host: IbHost) -> None:
        call = host.bars.ListDatasets(ib_pb2.ListDatasetsRequest(page_size=-1), timeout=60)
        failure = await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert violations(failure) == ["page_size"]


class TestStreamBars:
    async def test_streams_all_bars_with_dataset_and_schema_first(self, host: IbHost) -> None:
        dataset = result_of(await host.load(load_spec("AAPL"))).loads[0].dataset
        responses = await streamed(host, key=DAILY, batch_rows=1_024)
        assert responses[0].dataset == dataset
        assert not any(response.HasField("dataset") for response in responses[1:])
        assert [response.rows for response in responses if response.rows] == [1024, 1024, 1024, 198]
        columns = pa.ipc.open_stream(responses[0].arrow_ipc).schema.names
        assert columns == ["time", "open", "high", "low", "close", "volume", "wap", "count"]
        table = table_of(responses)
        assert table.num_rows == 3270
        assert str(table.schema.field("time").type) == "timestamp[us, tz=UTC]"

    async def test_a_range_is_half_open(self, host: IbHost) -> None:
        await host.load(load_spec("AAPL"))
        start, end = datetime(2012, 5, 2, tzinfo=UTC), datetime(2012, 5, 4, tzinfo=UTC)
        table = table_of(await streamed(host, key=DAILY, start=start, end=end))
        assert table.column("time").to_pylist() == [start, datetime(2012, 5, 3, tzinfo=UTC)]
        later = datetime(2020, 1, 1, tzinfo=UTC)
        assert table_of(await streamed(host, key=DAILY, start=later)).num_rows == 0

    async def test_a_missing_dataset_names_the_command_that_loads_it(self, lonely_host: IbHost) -> None:
        start, end = datetime(2000, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC)
        call = lonely_host.bars.StreamBars(bars_request(start, end, key=DAILY), timeout=60)
        failure = await refused(call, grpc.StatusCode.NOT_FOUND, "DATASET_NOT_FOUND")
        assert "ktrdr data load AAPL 1d --start 2000-03-01 --end 2013-03-01" in (failure.details() or "")

    async def test_recorded_and_real_bars_are_never_mixed_up(
        self, tmp_path: Path, gateway: FaultyGateway, host: IbHost, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        start = datetime(2013, 1, 1, tzinfo=UTC)
        await host.load(load_spec("AAPL", start=start))
        monkeypatch.setattr("services.ib_host.replay.session.ACCOUNT", "DU123456")
        for connection in gateway._connections.values():
            connection.abort()

        async def real() -> bool:
            return (await host.gateway()).source == bars_pb2.SOURCE_IB

        is_real: bool = await eventually(real)
        assert is_real
        assert result_of(await host.load(load_spec("AAPL", start=start))).source == bars_pb2.SOURCE_IB
        call = host.bars.StreamBars(ib_pb2.StreamBarsRequest(key=DAILY), timeout=60)
        failure = await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "DATASET_AMBIGUOUS")
        assert violations(failure) == ["key.source"]
        wanted = bars_pb2.DatasetKey(source=bars_pb2.SOURCE_REPLAY)
        wanted.MergeFrom(DAILY)
        responses = await streamed(host, key=wanted)
        assert responses[0].dataset.key.source == bars_pb2.SOURCE_REPLAY
        assert {path.name for path in (tmp_path / "data/bars").iterdir()} == {"ib", "replay"}

    async def test_names_every_field_that_is_wrong(self, lonely_host: IbHost) -> None:
        start, end = datetime(2012, 1, 2, tzinfo=UTC), datetime(2012, 1, 1, tzinfo=UTC)
        request = bars_request(start, end, batch_rows=5)
        failure = await refused(
            lonely_host.bars.StreamBars(request, timeout=60), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"
        )
        assert violations(failure) == ["key.instrument.symbol", "key.bar_size", "batch_rows", "end_time"]

    async def test_a_damaged_file_is_data_loss(self, tmp_path: Path, host: IbHost) -> None:
        await host.load(load_spec("AAPL"))
        part = next((tmp_path / "data/bars").rglob("*.parquet"))
        part.write_bytes(part.read_bytes()[:-50])
        call = host.bars.StreamBars(ib_pb2.StreamBarsRequest(key=DAILY), timeout=60)
        failure = await refused(call, grpc.StatusCode.DATA_LOSS, "STORE_CORRUPT")
        assert str(tmp_path) not in (failure.details() or "")

    async def test_a_stream_that_is_given_up_closes_its_files(self, host: IbHost) -> None:
        await host.load(load_spec("AAPL"))
        call = host.bars.StreamBars(ib_pb2.StreamBarsRequest(key=DAILY, batch_rows=1_024), timeout=60)
        first = await call.read()
        assert first.rows == 1024
        call.cancel()
        fds = Path("/proc/self/fd")

        def closed() -> bool:
            targets = [fd.resolve() for fd in fds.iterdir()]
            return not any(target.suffix == ".parquet" for target in targets)

        await eventually(closed)
        assert table_of(await streamed(host, key=DAILY)).num_rows == 3270


async def test_a_second_host_on_the_same_home_is_refused_by_name(tmp_path: Path, host: IbHost) -> None:
    settings = IbHostSettings(home=tmp_path, port=0, gateway=NOWHERE)
    with pytest.raises(CannotStartError, match="in use by ib-host"):
        async with running_server(IbHostService(settings), settings):
            pass
    assert (await host.gateway()).link == ib_pb2.GetGatewayResponse.LINK_UP
