"""What each mode asks for, and what it leaves alone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ktrdr.host.v1 import host_pb2
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.replay.bars import IntradaySize
from services.ib_host.replay.messages import Inbound
from services.ib_host.store.bar_store import BarStore
from tests.support.eventually import eventually
from tests.support.faulty_gateway import FaultyGateway, error, silence
from tests.support.ib_host import ib_host, load_spec, reason_of_session, result_of
from tests.support.loaded_bars import Mode, asked, day, ledger_of, mode_spec, source_rows, stored_rows

HMDS = "Historical Market Data Service error message:"
FIRST = day(2000, 3, 1)
LAST = day(2013, 3, 1)


async def test_a_full_load_goes_from_the_head_to_now_and_a_second_one_asks_nothing(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        load = result_of(await host.load(mode_spec(Mode.MODE_FULL))).loads[0]
        first = len(asked(gateway))
        again = result_of(await host.load(mode_spec(Mode.MODE_FULL))).loads[0]
        assert stored_rows(tmp_path, load.dataset.key) == source_rows(gateway, "AAPL")
        assert len(asked(gateway)) == first
    assert load.head_time.ToDatetime(UTC) == datetime(2000, 3, 1, 14, 30, tzinfo=UTC)
    assert (load.range_first_bar_time.ToDatetime(UTC), load.range_last_bar_time.ToDatetime(UTC)) == (FIRST, LAST)
    assert load.verdict.complete
    assert (again.received_rows, again.done_chunks, again.range_rows) == (0, 0, 3270)
    assert again.skipped_chunks > 0


async def test_a_tail_goes_on_from_the_last_bar_and_takes_no_bar_that_is_not_over(tmp_path: Path) -> None:
    noon = datetime(2013, 2, 20, 17, 0, tzinfo=UTC)
    async with FaultyGateway(now=noon) as gateway, ib_host(tmp_path, gateway.address) as host:
        load = result_of(await host.load(load_spec("AAPL", start=day(2012, 12, 1), end=day(2014, 1, 1)))).loads[0]
        assert load.range_last_bar_time.ToDatetime(UTC) == day(2013, 2, 19)
        before = len(asked(gateway))
        gateway.move_to(day(2013, 3, 2))
        tail = result_of(await host.load(mode_spec(Mode.MODE_TAIL))).loads[0]
        assert len(asked(gateway)) == before + 1
        assert stored_rows(tmp_path, load.dataset.key) == source_rows(gateway, "AAPL", day(2012, 12, 1))
        assert tail.new_rows == 8  # from the 20th on
        idle = result_of(await host.load(mode_spec(Mode.MODE_TAIL))).loads[0]
        assert len(asked(gateway)) == before + 2  # the last bar alone, to see whether it still is what it was
    assert (idle.new_rows, idle.received_rows) == (0, 1)
    assert not idle.revisions


async def test_a_tail_of_minutes_ends_with_the_last_minute_that_is_over(tmp_path: Path) -> None:
    data = "generated:XYZ?seed=11&days=3&start=2024-03-06&gaps=0"
    now = datetime(2024, 3, 8, 15, 0, 30, tzinfo=UTC)
    async with FaultyGateway(data=data, now=now) as gateway, ib_host(tmp_path, gateway.address) as host:
        spec = mode_spec(Mode.MODE_TAIL, "XYZ", start=day(2024, 3, 6), bar_size=bars_pb2.BAR_SIZE_1_MINUTE)
        load = result_of(await host.load(spec)).loads[0]
        assert load.range_last_bar_time.ToDatetime(UTC) == datetime(2024, 3, 8, 14, 59, tzinfo=UTC)
        gateway.move_to(now + timedelta(minutes=5))
        tail = result_of(await host.load(spec)).loads[0]
        rows = source_rows(gateway, "XYZ", None, datetime(2024, 3, 8, 15, 5, tzinfo=UTC), size=IntradaySize(60))
        assert stored_rows(tmp_path, load.dataset.key) == rows
    assert tail.new_rows == 5


@pytest.mark.parametrize("mode", [Mode.MODE_TAIL, Mode.MODE_LOCAL])
async def test_where_nothing_is_stored_the_command_that_loads_it_is_told(tmp_path: Path, mode: int) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        session = await host.load(mode_spec(Mode.Mode.ValueType(mode)))
        assert asked(gateway) == []
    assert reason_of_session(session) == "DATASET_NOT_FOUND"
    assert "ktrdr data load AAPL 1d --start" in session.error.message


async def test_backfill_goes_back_from_the_first_bar_newest_first(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        result_of(await host.load(load_spec("AAPL", start=day(2010, 1, 1))))
        before = len(asked(gateway))
        load = result_of(await host.load(mode_spec(Mode.MODE_BACKFILL, start=day(2004, 1, 1)))).loads[0]
        ends = [end for end, _ in asked(gateway)[before:]]
        assert ends == sorted(ends, reverse=True)
        assert stored_rows(tmp_path, load.dataset.key) == source_rows(gateway, "AAPL", day(2004, 1, 1))
        whole = result_of(await host.load(mode_spec(Mode.MODE_BACKFILL))).loads[0]
        assert stored_rows(tmp_path, load.dataset.key) == source_rows(gateway, "AAPL")
    assert whole.range_first_bar_time.ToDatetime(UTC) == FIRST
    assert whole.empty_chunks == 1  # what comes before the first bar is looked at once
    known = ledger_of(tmp_path, load.dataset.key).known(day(1999, 1, 1), LAST)
    assert len(known) == 1
    assert known[0].start < FIRST


async def test_local_works_while_the_gateway_is_away(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        result_of(await host.load(load_spec("AAPL", start=day(2012, 1, 3), end=day(2012, 6, 1))))
    async with ib_host(tmp_path, "127.0.0.1:9") as host:
        local = result_of(await host.load(mode_spec(Mode.MODE_LOCAL, end=day(2012, 7, 1)))).loads[0]
        assert (local.dataset.rows, local.range_rows, local.received_rows) == (104, 104, 0)
        assert local.verdict.missing[0].reason == bars_pb2.MissingSpan.REASON_NOT_LOADED
        session = await host.load(mode_spec(Mode.MODE_LOCAL, "AAPL", "IBM"))
    assert reason_of_session(session) == "LOAD_INCOMPLETE"
    assert "IBM: There is no dataset IBM 1d TRADES" in session.error.message


async def test_local_means_what_loads_store_and_imported_bars_where_there_is_nothing_else(tmp_path: Path) -> None:
    store = BarStore(tmp_path)
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        load = result_of(await host.load(load_spec("AAPL", start=day(2012, 1, 3), end=day(2012, 6, 1)))).loads[0]
        snapshot = store.open(load.dataset.key)
        assert snapshot is not None
        with snapshot:
            bars = next(snapshot.tables())
        for symbol in ("AAPL", "MINE"):
            key = bars_pb2.DatasetKey()
            key.CopyFrom(load.dataset.key)
            key.source, key.instrument.symbol, key.instrument.contract_id = bars_pb2.SOURCE_IMPORTED, symbol, 0
            store.merge(key, bars.slice(0, 9))
        local = result_of(await host.load(mode_spec(Mode.MODE_LOCAL, "AAPL", "MINE"))).loads
    assert [found.dataset.key.source for found in local] == [bars_pb2.SOURCE_REPLAY, bars_pb2.SOURCE_IMPORTED]
    assert [found.dataset.rows for found in local] == [104, 9]


async def test_reload_asks_for_everything_again(tmp_path: Path) -> None:
    spec = load_spec("AAPL", start=day(2012, 1, 3))
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        first = result_of(await host.load(spec)).loads[0]
        before = len(asked(gateway))
        spec.reload = True
        again = result_of(await host.load(spec)).loads[0]
        assert len(asked(gateway)) == 2 * before
    assert (again.received_rows, again.new_rows, again.dataset) == (first.received_rows, 0, first.dataset)


async def test_bars_whose_files_were_removed_are_loaded_again(tmp_path: Path) -> None:
    spec = load_spec("AAPL", start=day(2012, 1, 3))
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        load = result_of(await host.load(spec)).loads[0]
        for path in BarStore(tmp_path).folder(load.dataset.key).glob("*"):
            if path.suffix in {".parquet", ".json"}:
                path.unlink()
        assert result_of(await host.load(spec)).loads[0].range_rows == load.range_rows


async def test_empty_years_are_no_beginning_and_are_asked_for_once(tmp_path: Path) -> None:
    """The gateway has nothing for two requests in the middle of history, as for a stock that was halted."""
    nothing = error(162, f"{HMDS}HMDS query returned no data: AAPL@SMART Trades")
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        gateway.on(Inbound.HISTORICAL_DATA, None, nothing, nothing)
        load = result_of(await host.load(mode_spec(Mode.MODE_BACKFILL))).loads[0]
        before = len(asked(gateway))
        assert (load.empty_chunks, load.range_first_bar_time.ToDatetime(UTC)) == (3, FIRST)
        assert load.verdict.missing[-1].reason != bars_pb2.MissingSpan.REASON_NOT_LOADED
        again = result_of(await host.load(mode_spec(Mode.MODE_FULL))).loads[0]
        assert len(asked(gateway)) == before
        assert again.range_rows == load.range_rows < 3270


@pytest.mark.parametrize(
    "fault",
    [
        error(162, f"{HMDS}No market data permissions for NASDAQ STK"),
        error(162, f"{HMDS}HMDS query returned no data: No head time stamp"),
    ],
    ids=["no permission", "no data"],
)
async def test_without_a_head_timestamp_two_quiet_years_are_the_beginning(tmp_path: Path, fault: object) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        gateway.on(Inbound.HEAD_TIMESTAMP, fault)  # type: ignore[arg-type]  # parametrised actions
        load = result_of(await host.load(mode_spec(Mode.MODE_FULL, "FB"))).loads[0]
        assert stored_rows(tmp_path, load.dataset.key) == source_rows(gateway, "FB")
    assert not load.HasField("head_time")
    known = ledger_of(tmp_path, load.dataset.key).known(day(1970, 1, 1), LAST)
    assert day(2000, 1, 1) < known[0].start < day(2010, 6, 1)


async def test_history_that_ended_long_ago_is_found_without_a_head_timestamp(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        gateway.on(Inbound.HEAD_TIMESTAMP, error(162, f"{HMDS}HMDS query returned no data: No head time stamp"))
        gateway.move_to(day(2019, 1, 2))
        load = result_of(await host.load(mode_spec(Mode.MODE_FULL, "FB"))).loads[0]
        assert stored_rows(tmp_path, load.dataset.key) == source_rows(gateway, "FB")


async def test_history_from_before_the_head_timestamp_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        late = datetime(2003, 6, 2, 14, 30, tzinfo=UTC)
        monkeypatch.setattr(gateway.history, "head", lambda *_, **__: late)
        load = result_of(await host.load(mode_spec(Mode.MODE_BACKFILL))).loads[0]
        assert stored_rows(tmp_path, load.dataset.key) == source_rows(gateway, "AAPL")
    assert load.head_time.ToDatetime(UTC) == late


async def test_what_failed_before_is_part_of_the_next_tail(tmp_path: Path) -> None:
    trouble = error(162, f"{HMDS}HMDS trouble")
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        result_of(await host.load(load_spec("AAPL", start=day(2009, 1, 2), end=day(2009, 6, 1))))
        gateway.on(Inbound.HISTORICAL_DATA, *[trouble] * 3)
        session = await host.load(mode_spec(Mode.MODE_TAIL))
        assert reason_of_session(session) == "LOAD_INCOMPLETE"
        assert "AAPL 1d 2009-06-01 … " in session.error.message
        load = result_of(await host.load(mode_spec(Mode.MODE_TAIL))).loads[0]
        assert stored_rows(tmp_path, load.dataset.key) == source_rows(gateway, "AAPL", day(2009, 1, 2))


async def test_adjusted_bars_that_the_gateway_does_not_reach_any_more_stay(tmp_path: Path) -> None:
    spec = mode_spec(Mode.MODE_FULL, what_to_show=bars_pb2.WHAT_TO_SHOW_ADJUSTED_LAST)
    refused = error(321, "Error validating request: the duration is too long")
    async with FaultyGateway(now=day(2012, 8, 1)) as gateway, ib_host(tmp_path, gateway.address) as host:
        result_of(await host.load(spec))
        gateway.move_to(day(2013, 3, 2))
        gateway.on(Inbound.HISTORICAL_DATA, refused, refused)
        load = result_of(await host.load(spec)).loads[0]
        assert [duration for _, duration in asked(gateway)] == ["13 Y", "14 Y", "7 Y", "3 Y"]
        source = source_rows(gateway, "AAPL", what="ADJUSTED_LAST")
        assert stored_rows(tmp_path, load.dataset.key) == source
        gateway.on(Inbound.HISTORICAL_DATA, refused, refused)
        spec.reload = True
        load = result_of(await host.load(spec)).loads[0]
        assert stored_rows(tmp_path, load.dataset.key) == source_rows(
            gateway, "AAPL", day(2010, 3, 2), what="ADJUSTED_LAST"
        )


async def test_adjusted_bars_are_one_request_up_to_now_that_replaces_all(tmp_path: Path) -> None:
    spec = mode_spec(Mode.MODE_FULL, what_to_show=bars_pb2.WHAT_TO_SHOW_ADJUSTED_LAST)
    async with FaultyGateway(now=day(2012, 8, 1)) as gateway, ib_host(tmp_path, gateway.address) as host:
        first = result_of(await host.load(spec)).loads[0]
        assert asked(gateway) == [("", "13 Y")]
        gateway.move_to(day(2013, 3, 2))
        load = result_of(await host.load(spec)).loads[0]
        assert asked(gateway)[1:] == [("", "14 Y")]
        assert stored_rows(tmp_path, load.dataset.key) == source_rows(gateway, "AAPL", what="ADJUSTED_LAST")
    assert first.range_rows < load.range_rows == 3270
    assert load.dataset.key.what_to_show == bars_pb2.WHAT_TO_SHOW_ADJUSTED_LAST


async def test_a_cancelled_load_keeps_and_tells_what_it_has(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        gateway.on(Inbound.HISTORICAL_DATA, None, None, silence)
        session = await host.start_load(mode_spec(Mode.MODE_FULL))
        await eventually(lambda: len(asked(gateway)) == 3)
        await host.host.CancelSession(host_pb2.CancelSessionRequest(session_id=session.id), timeout=60)
        assert (await host.ended(session.id)).state == Session.STATE_CANCELLED
        before = asked(gateway)
        load = result_of(await host.load(mode_spec(Mode.MODE_FULL))).loads[0]
        assert len(set(before) & set(asked(gateway)[len(before) :])) <= 1
        assert stored_rows(tmp_path, load.dataset.key) == source_rows(gateway, "AAPL")
