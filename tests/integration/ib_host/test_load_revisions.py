"""Splits and corrections between two loads, and while one is under way: noticed, repaired, never mixed."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.replay.bars import IntradaySize
from services.ib_host.replay.faults.prices import CorrectionRule, SplitRule
from services.ib_host.replay.messages import Inbound
from services.ib_host.revisions.log import RevisionLog
from services.ib_host.store.bar_store import BarStore
from tests.support.faulty_gateway import FaultyGateway, error
from tests.support.ib_host import ib_host, load_spec, reason_of_session, result_of
from tests.support.loaded_bars import Mode, asked, day, ledger_of, mode_spec, source_rows, stored_rows

HISTORY = Inbound.HISTORICAL_DATA
HMDS = "Historical Market Data Service error message:"
SPLIT = bars_pb2.Revision.KIND_SPLIT
CORRECTION = bars_pb2.Revision.KIND_CORRECTION


async def test_a_split_between_two_loads_changes_all_bars_at_once(tmp_path: Path) -> None:
    """AAPL's split of 2005-02-28, seen from before and after it."""
    async with FaultyGateway(now=day(2005, 2, 1)) as gateway, ib_host(tmp_path, gateway.address) as host:
        old = result_of(await host.load(load_spec("AAPL", start=day(2003, 1, 2)))).loads[0]
        gateway.move_to(day(2013, 3, 2))
        load = result_of(await host.load(mode_spec(Mode.MODE_TAIL))).loads[0]
        assert stored_rows(tmp_path, load.dataset.key) == source_rows(gateway, "AAPL", day(2003, 1, 2))
        before = len(asked(gateway))
        assert not result_of(await host.load(mode_spec(Mode.MODE_TAIL))).loads[0].revisions
        assert len(asked(gateway)) == before + 1
    revision = load.revisions[0]
    assert (revision.kind, revision.price_ratio) == (SPLIT, 0.5)
    assert load.dataset.version == old.dataset.version + 1  # readers saw the old version, and then the new one
    folder = BarStore(tmp_path).folder(load.dataset.key)
    assert not (folder / "repair").exists()
    assert [kept.kind for kept in RevisionLog.open(folder).newest(9)] == [SPLIT]
    assert load.verdict.complete


@pytest.mark.parametrize(
    ("mode", "request_number", "end"),
    [
        (Mode.MODE_RANGE, 2, day(2010, 1, 2)),
        (Mode.MODE_TAIL, 2, None),
        (Mode.MODE_BACKFILL, 2, day(2008, 1, 2)),
        (Mode.MODE_FULL, 1, None),
        (Mode.MODE_FULL, 2, None),
        (Mode.MODE_FULL, 4, None),
    ],
)
async def test_a_split_while_a_load_is_under_way_is_never_mixed(
    tmp_path: Path, mode: "Mode.Mode.ValueType", request_number: int, end: datetime | None
) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        result_of(await host.load(load_spec("AAPL", start=day(2006, 1, 3), end=day(2008, 1, 2))))
        gateway.faults.add(SplitRule(on=HISTORY, nth=request_number, times=1, symbol="AAPL"))
        dated = {"start": day(2004, 1, 2), "end": end} if mode == Mode.MODE_RANGE else {}
        load = result_of(await host.load(mode_spec(mode, **dated))).loads[0]  # type: ignore[arg-type]  # times
        rows = stored_rows(tmp_path, load.dataset.key)
        assert rows == source_rows(gateway, "AAPL", rows[0][0], end)  # type: ignore[arg-type]  # a time


@pytest.mark.parametrize("mode", [Mode.MODE_TAIL, Mode.MODE_BACKFILL, Mode.MODE_FULL])
async def test_a_split_in_the_middle_of_loading_minutes_is_never_mixed(
    tmp_path: Path, mode: "Mode.Mode.ValueType"
) -> None:
    data = "generated:XYZ?seed=11&days=12&start=2024-03-04&gaps=0.02"
    minute = bars_pb2.BAR_SIZE_1_MINUTE
    async with FaultyGateway(data=data) as gateway, ib_host(tmp_path, gateway.address) as host:
        spec = mode_spec(Mode.MODE_RANGE, "XYZ", start=day(2024, 3, 8), end=day(2024, 3, 12), bar_size=minute)
        result_of(await host.load(spec))
        gateway.faults.add(SplitRule(on=HISTORY, nth=4, times=1, symbol="XYZ"))
        load = result_of(await host.load(mode_spec(mode, "XYZ", bar_size=minute))).loads[0]
        rows = stored_rows(tmp_path, load.dataset.key)
        expected = source_rows(gateway, "XYZ", rows[0][0], size=IntradaySize(60))  # type: ignore[arg-type]  # a time
        assert rows == expected[: len(rows)]
    assert any(revision.kind == SPLIT for revision in load.revisions)


@pytest.mark.parametrize("ratio", ["2", "3/2", "1/10"])
async def test_a_split_of_minutes_between_two_loads_changes_all_bars_at_once(tmp_path: Path, ratio: str) -> None:
    data = f"generated:XYZ?seed=5&days=8&start=2024-03-04&gaps=0.02&split=XYZ:2024-03-12:{ratio}"
    minute = bars_pb2.BAR_SIZE_1_MINUTE
    async with FaultyGateway(data=data, now=day(2024, 3, 9)) as gateway, ib_host(tmp_path, gateway.address) as host:
        spec = mode_spec(Mode.MODE_FULL, "XYZ", bar_size=minute)
        old = result_of(await host.load(spec)).loads[0]
        gateway.move_to(datetime(2024, 3, 14, 1, tzinfo=UTC))
        spec.mode = Mode.MODE_TAIL
        load = result_of(await host.load(spec)).loads[0]
        assert stored_rows(tmp_path, load.dataset.key) == source_rows(gateway, "XYZ", size=IntradaySize(60))
    assert [revision.kind for revision in load.revisions] == [SPLIT]
    assert load.dataset.version == old.dataset.version + 1
    assert load.verdict.complete


async def test_a_correction_is_replaced_and_what_is_around_is_asked_again(tmp_path: Path) -> None:
    async with FaultyGateway(now=day(2013, 2, 27)) as gateway, ib_host(tmp_path, gateway.address) as host:
        result_of(await host.load(load_spec("AAPL", start=day(2010, 1, 4))))
        rule = CorrectionRule(
            on=HISTORY, nth=1, times=1, symbol="AAPL", first=date(2013, 2, 20), last=date(2013, 2, 26), factor=1.001
        )
        gateway.faults.add(rule)
        gateway.move_to(day(2013, 3, 2))
        before = len(asked(gateway))
        load = result_of(await host.load(mode_spec(Mode.MODE_TAIL))).loads[0]
        assert stored_rows(tmp_path, load.dataset.key) == source_rows(gateway, "AAPL", day(2010, 1, 4))
        assert before + 2 <= len(asked(gateway)) <= before + 4
    assert {revision.kind for revision in load.revisions} == {CORRECTION}
    assert not ledger_of(tmp_path, load.dataset.key).unknown(day(2010, 1, 4), day(2013, 3, 2))


async def test_a_repair_that_is_not_whole_leaves_the_old_version_and_the_next_load_goes_on(tmp_path: Path) -> None:
    trouble = error(162, f"{HMDS}HMDS trouble")
    async with FaultyGateway(now=day(2005, 2, 1)) as gateway, ib_host(tmp_path, gateway.address) as host:
        old = result_of(await host.load(load_spec("AAPL", start=day(2000, 3, 1)))).loads[0]
        rows = stored_rows(tmp_path, old.dataset.key)
        count = len(asked(gateway))
        gateway.move_to(day(2005, 6, 1))
        gateway.on(HISTORY, None, None, *[trouble] * 3)
        session = await host.load(mode_spec(Mode.MODE_TAIL))
        assert reason_of_session(session) == "LOAD_INCOMPLETE"
        assert stored_rows(tmp_path, old.dataset.key) == rows
        before = asked(gateway)
        load = result_of(await host.load(mode_spec(Mode.MODE_TAIL))).loads[0]
        assert stored_rows(tmp_path, load.dataset.key) == source_rows(gateway, "AAPL", end=day(2005, 6, 1))
        assert not set(asked(gateway)[len(before) :]) & set(before[count : count + 2])  # what was done
    assert load.revisions[0].kind == SPLIT


async def test_old_bars_that_the_gateway_does_not_keep_any_more_are_kept_at_new_prices(tmp_path: Path) -> None:
    async with FaultyGateway(now=day(2005, 2, 1)) as gateway, ib_host(tmp_path, gateway.address) as host:
        old = result_of(await host.load(load_spec("AAPL", start=day(2003, 1, 2)))).loads[0]
        gateway.move_to(day(2005, 6, 1))
        too_old = error(162, f"{HMDS}invalid step: bars are too old")
        gateway.on(HISTORY, None, *[too_old] * 2)
        load = result_of(await host.load(mode_spec(Mode.MODE_TAIL))).loads[0]
        rows = stored_rows(tmp_path, load.dataset.key)
        source = source_rows(gateway, "AAPL", day(2003, 1, 2), day(2005, 6, 1))
    assert [row[0] for row in rows] == [row[0] for row in source]
    assert all(row[1:5] == pytest.approx(other[1:5]) for row, other in zip(rows, source, strict=True))
    assert old.dataset.rows < load.dataset.rows


async def test_a_head_of_today_is_utc(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        load = result_of(await host.load(mode_spec(Mode.MODE_FULL, "FB"))).loads[0]
    assert load.head_time.ToDatetime(UTC) == datetime(2012, 5, 18, 13, 30, tzinfo=UTC)
