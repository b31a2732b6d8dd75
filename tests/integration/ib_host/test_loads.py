"""Loads over the unmodified client library, TCP and the replay gateway, into the store."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from ktrdr.host.v1 import host_pb2
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.ib_host.replay.bars import BarSize
from services.ib_host.replay.messages import Inbound
from services.ib_host.store.bar_store import BarStore
from tests.support.eventually import eventually
from tests.support.faulty_gateway import FaultyGateway, silence
from tests.support.free_ports import ReservedPort
from tests.support.ib_host import ib_host, load_spec, reason_of_session, result_of
from tests.support.recorded_bars import recorded_bars

CHUNKS = 7
"""Of all recorded days of a stock: years at first, and more as the answers come quickly."""
PRICES = ("open", "high", "low", "close", "volume")


def day(year: int, month: int, number: int) -> datetime:
    return datetime(year, month, number, tzinfo=UTC)


def stored_bars(home: Path, key: bars_pb2.DatasetKey) -> list[tuple[object, ...]]:
    snapshot = BarStore(home).open(key)
    assert snapshot is not None
    with snapshot:
        table = pa.concat_tables(snapshot.tables())
    columns = [table.column(name).to_pylist() for name in ("time", *PRICES)]
    return list(zip(*columns, strict=True))


def asked(gateway: FaultyGateway) -> list[tuple[str, str]]:
    """Return end and duration of every request for bars."""
    return [(fields[15], fields[17]) for fields in gateway.requests(Inbound.HISTORICAL_DATA)]


@pytest.mark.parametrize("symbol", ["AAPL", "MSFT", "FB"])
async def test_stored_bars_equal_the_split_adjusted_source_bar_for_bar(tmp_path: Path, symbol: str) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        result = result_of(await host.load(load_spec(symbol)))
    load = result.loads[0]
    expected = [tuple(bar) for bar in recorded_bars(symbol)]
    assert stored_bars(tmp_path, load.dataset.key) == expected
    assert result.source == bars_pb2.SOURCE_REPLAY
    assert (load.received_rows, load.new_rows, load.range_rows, load.dataset.rows) == (len(expected),) * 4
    assert load.verdict.complete == (symbol != "FB")  # its first years are no gap that a load could fill
    assert load.range_first_bar_time.ToDatetime(UTC) == expected[0][0]
    assert load.range_last_bar_time.ToDatetime(UTC) == day(2013, 3, 1)


async def test_aapl_has_3270_bars_and_each_chunk_is_one_request(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        load = result_of(await host.load(load_spec("AAPL"))).loads[0]
        assert len(asked(gateway)) == load.done_chunks
    assert (load.range_rows, load.done_chunks) == (3270, CHUNKS)
    key = load.dataset.key
    assert key.instrument.contract_id == 265598
    assert (key.instrument.long_name, key.instrument.time_zone) == ("APPLE INC", "US/Eastern")
    assert (key.what_to_show, key.use_rth) == (bars_pb2.WHAT_TO_SHOW_TRADES, True)


async def test_the_load_tells_phases_chunks_and_rows(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        session = await host.load(load_spec("AAPL"))
        status = await host.host.GetStatus(host_pb2.GetStatusRequest(), timeout=60)
    assert session.progress.phase == "bars"
    assert (session.progress.completed, session.progress.total, session.progress.unit) == (CHUNKS, CHUNKS, "chunk")
    assert session.progress.step == "AAPL 1d 2012-02-12 … 2013-03-01, 3,270 bars (REPLAY)"
    series = {metric.name: metric for metric in status.sessions[0].metrics}
    assert list(series["rows"].steps) == list(range(1, CHUNKS + 1))
    assert list(series["rows"].values) == sorted(series["rows"].values)
    assert series["rows"].values[-1] == 3270
    assert len(series["chunk_seconds"].values) == CHUNKS


async def test_a_narrower_load_never_shrinks_what_is_stored(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        before = result_of(await host.load(load_spec("AAPL"))).loads[0].dataset
        narrow = result_of(await host.load(load_spec("AAPL", start=day(2005, 1, 3), end=day(2005, 2, 1)))).loads[0]
        assert len(asked(gateway)) == CHUNKS
    assert (narrow.received_rows, narrow.new_rows, narrow.range_rows) == (0, 0, 20)
    assert (narrow.done_chunks, narrow.skipped_chunks) == (0, 1)
    assert narrow.range_first_bar_time.ToDatetime(UTC) == day(2005, 1, 3)
    assert narrow.dataset == before


async def test_loads_that_overlap_add_only_what_is_new(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        first = await host.start_load(load_spec("AAPL", start=day(2000, 3, 1), end=day(2008, 1, 1)))
        second = await host.start_load(load_spec("AAPL", start=day(2004, 1, 1)))
        loads = [result_of(await host.ended(session.id)).loads[0] for session in (first, second)]
    assert sum(load.new_rows for load in loads) == 3270
    assert stored_bars(tmp_path, loads[0].dataset.key) == [tuple(bar) for bar in recorded_bars("AAPL")]


async def test_several_instruments_are_loaded_one_after_the_other(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        session = await host.load(load_spec("IBM", "AAPL", start=day(2012, 1, 1)))
    loads = result_of(session).loads
    assert [load.dataset.key.instrument.symbol for load in loads] == ["IBM", "AAPL"]
    assert session.progress.total == 4
    assert all(load.range_rows == loads[0].range_rows for load in loads)


@pytest.mark.parametrize(
    ("size", "recorded"),
    [(bars_pb2.BAR_SIZE_1_WEEK, BarSize.WEEK), (bars_pb2.BAR_SIZE_1_MONTH, BarSize.MONTH)],
)
async def test_longer_bars_are_never_cut_by_chunks(
    tmp_path: Path, size: bars_pb2.BarSize.ValueType, recorded: BarSize
) -> None:
    start, end = day(2001, 5, 16), day(2012, 10, 10)
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        load = result_of(await host.load(load_spec("AAPL", start=start, end=end, bar_size=size))).loads[0]
        source = gateway.history.bars("AAPL", recorded)
    expected = [
        (datetime.combine(bar.session, datetime.min.time(), UTC), bar.open, bar.high, bar.low, bar.close, bar.volume)
        for bar in source
        if start.date() <= bar.session < end.date()
    ]
    assert stored_bars(tmp_path, load.dataset.key) == expected


async def test_a_range_that_begins_before_history_brings_all_there_is(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        load = result_of(await host.load(load_spec("AAPL", start=day(1995, 1, 1), end=day(2001, 1, 1)))).loads[0]
    assert load.empty_chunks == 3
    assert load.range_rows == sum(bar.time.year == 2000 for bar in recorded_bars("AAPL"))


async def test_a_range_without_any_bars_ends_clearly(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        load = result_of(await host.load(load_spec("FB", start=day(2001, 1, 1), end=day(2003, 1, 1)))).loads[0]
        assert len((await host.bars.ListDatasets(ib_pb2.ListDatasetsRequest(), timeout=60)).datasets) == 0
    assert (load.done_chunks, load.empty_chunks, load.range_rows, load.dataset.rows) == (0, 3, 0, 0)
    assert load.dataset.key.instrument.symbol == "FB"


async def test_an_unknown_symbol_fails_the_load_and_says_how_to_look_for_it(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        session = await host.load(load_spec("NOSUCH"))
        assert asked(gateway) == []
    assert reason_of_session(session) == "INSTRUMENT_NOT_FOUND"
    assert "ktrdr data find NOSUCH" in session.error.message
    assert "No security definition" in session.error.message


async def test_a_bar_size_that_the_gateway_refuses_fails_with_its_words(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        spec = load_spec("AAPL", start=day(2012, 1, 1), bar_size=bars_pb2.BAR_SIZE_1_HOUR)
        session = await host.load(spec)
        assert len(asked(gateway)) == 1
    assert reason_of_session(session) == "GATEWAY_REFUSED"
    assert "Only daily history was recorded" in session.error.message
    assert "321" in session.error.message


async def test_a_cancelled_load_leaves_nothing_open_at_the_gateway(tmp_path: Path) -> None:
    async with FaultyGateway(latency_ms=60_000) as gateway, ib_host(tmp_path, gateway.address) as host:
        session = await host.start_load(load_spec("AAPL"))
        await eventually(lambda: gateway.open_queries)
        await host.host.CancelSession(host_pb2.CancelSessionRequest(session_id=session.id, reason="enough"), timeout=60)
        ended = await host.ended(session.id)
        await eventually(lambda: not gateway.open_queries)
        assert len(gateway.requests(Inbound.CANCEL_HISTORICAL_DATA)) == 1
        assert (await host.gateway()).open_requests == 0
    assert ended.state == Session.STATE_CANCELLED
    assert ended.cancel_reason == "enough"


async def test_a_load_that_waits_for_a_gateway_can_be_cancelled(tmp_path: Path) -> None:
    async with ib_host(tmp_path, "127.0.0.1:9") as host:
        session = await host.start_load(load_spec("AAPL"))
        await host.host.CancelSession(host_pb2.CancelSessionRequest(session_id=session.id), timeout=60)
        assert (await host.ended(session.id)).state == Session.STATE_CANCELLED


async def test_a_gateway_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    reserved = ReservedPort()
    async with ib_host(tmp_path, f"127.0.0.1:{reserved.number}", reconnect_seconds=0.3) as host:
        session = await host.start_load(load_spec("AAPL", start=day(2013, 1, 1)))

        async def waits() -> str:
            reason = (await host.session(session.id)).progress.wait_reason
            return reason if reason.startswith("gateway") else ""

        reason: str = await eventually(waits)
        assert reason == f"gateway 127.0.0.1:{reserved.number} does not answer; trying again in 1 s"
        async with FaultyGateway(port=reserved.number):
            ended = await host.ended(session.id)
    assert result_of(ended).loads[0].range_rows == 41
    assert ended.progress.wait_reason == ""


async def test_a_gateway_restart_in_a_load_costs_nothing_but_time(tmp_path: Path) -> None:
    reserved = ReservedPort()
    async with (
        FaultyGateway(port=reserved.number) as gateway,
        ib_host(tmp_path, gateway.address) as host,
    ):
        gateway.on(Inbound.HISTORICAL_DATA, None, None, None, None, silence)
        session = await host.start_load(load_spec("AAPL"))
        await eventually(lambda: len(asked(gateway)) == 5)
        await gateway.__aexit__(None, None, None)
        before = asked(gateway)
        async with FaultyGateway(port=reserved.number) as restarted:
            load = result_of(await host.ended(session.id)).loads[0]
            after = asked(restarted)
    assert stored_bars(tmp_path, load.dataset.key) == [tuple(bar) for bar in recorded_bars("AAPL")]
    assert (load.received_rows, load.new_rows, load.done_chunks) == (3270, 3270, CHUNKS)
    repeated = set(before) & set(after)
    assert len(repeated) <= 1  # the chunk that was under way
    assert len(set(before) | set(after)) == CHUNKS


async def test_a_host_restart_goes_on_with_the_same_session_and_repeats_no_chunk(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway:
        gateway.on(Inbound.HISTORICAL_DATA, None, None, None, silence)
        async with ib_host(tmp_path, gateway.address) as host:
            session = await host.start_load(load_spec("AAPL"), session_id="op-1", labels={"for": "test"})
            await eventually(lambda: len(asked(gateway)) == 4)
        before = asked(gateway)
        await eventually(lambda: not gateway.client_ids)
        async with ib_host(tmp_path, gateway.address) as host:
            ended = await host.ended("op-1")
            status = await host.host.GetStatus(host_pb2.GetStatusRequest(), timeout=60)
        after = asked(gateway)[len(before) :]
    load = result_of(ended).loads[0]
    assert stored_bars(tmp_path, load.dataset.key) == [tuple(bar) for bar in recorded_bars("AAPL")]
    assert (load.new_rows, load.done_chunks) == (3270, ended.progress.completed)
    assert ended.labels == {"for": "test"}
    assert session.incarnation in {ended.incarnation, ""}
    assert len(set(before) & set(after)) <= 1
    assert ended.progress.completed == ended.progress.total
    steps = list(next(metric for metric in status.sessions[0].metrics if metric.name == "rows").steps)
    assert steps == list(range(1, int(ended.progress.completed) + 1))


async def test_a_load_that_is_asked_for_twice_runs_once(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        first = await host.start_load(load_spec("AAPL"), session_id="op-1")
        await host.ended(first.id)
        again = await host.start_load(load_spec("AAPL"), session_id="op-1")
        assert len(asked(gateway)) == CHUNKS
    assert again.state == Session.STATE_COMPLETED


async def test_the_range_is_half_open_and_dates_count(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        spec = load_spec("AAPL", start=day(2012, 5, 2) + timedelta(hours=15), end=day(2012, 5, 4))
        load = result_of(await host.load(spec)).loads[0]
    assert [bar[0] for bar in stored_bars(tmp_path, load.dataset.key)] == [day(2012, 5, 2), day(2012, 5, 3)]
