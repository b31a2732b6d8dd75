"""A split is always found as that split; the same bars never differ, nor does the noise of float arithmetic."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.ib.v1 import bars_pb2

from services.common.timestamps import to_datetime, to_timestamp
from services.ib_host.revisions.compare import compare
from services.ib_host.revisions.factor import Factor
from services.ib_host.revisions.log import NAME, RevisionLog
from services.ib_host.store.columns import SCHEMA
from tests.support.recorded_bars import recorded_bars

MONDAY = datetime(2013, 2, 4, tzinfo=UTC)
DAY = timedelta(days=1)
SPLIT = bars_pb2.Revision.KIND_SPLIT
CORRECTION = bars_pb2.Revision.KIND_CORRECTION

Row = tuple[float, float, float, float, float]  # open, high, low, close, volume


def table(rows: Sequence[Row], start: datetime = MONDAY, step: timedelta = DAY) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * 5
    return pa.table(
        {
            "time": [start + number * step for number in range(len(rows))],
            **{name: list(columns[place]) for place, name in enumerate(("open", "high", "low", "close", "volume"))},
            "wap": [-1.0] * len(rows),
            "count": [-1] * len(rows),
        },
        schema=SCHEMA,
    )


def scaled(rows: Sequence[Row], factor: float, volumes: float, decimals: int = 4) -> list[Row]:
    """Return bars after a split; a volume that is not known stays so."""

    def price(old: float) -> float:
        return round(old * factor, decimals)

    return [
        (
            price(row[0]),
            price(row[1]),
            price(row[2]),
            price(row[3]),
            float(round(row[4] * volumes)) if row[4] > 0 else row[4],
        )
        for row in rows
    ]


cents = st.integers(500, 60_000).map(lambda number: number / 100)
volumes = st.one_of(st.just(-1.0), st.just(0.0), st.integers(1, 10**9).map(float))
rows = st.lists(st.tuples(cents, cents, cents, cents, volumes), min_size=1, max_size=30)
splits = st.sampled_from(
    ["2", "3", "3/2", "4/3", "5/4", "7", "20", "21/20", "11/10", "50", "1/2", "1/10", "1/25", "2/3"]
)


@settings(max_examples=60, deadline=None)
@given(rows, splits.map(Fraction))
def test_a_scaled_table_is_always_found_as_that_split(old: list[Row], split: Fraction) -> None:
    revision = compare(table(old), table(scaled(old, float(1 / split), float(split), decimals=6)))
    assert revision is not None
    assert revision.kind == SPLIT
    assert revision.price_ratio == pytest.approx(float(1 / split), rel=0.02)
    assert revision.bars == len(old)
    assert to_datetime(revision.start_time) == MONDAY
    assert MONDAY + (len(old) - 1) * DAY < to_datetime(revision.end_time) <= MONDAY + len(old) * DAY


@settings(max_examples=60, deadline=None)
@given(rows)
def test_identical_bars_never_differ(old: list[Row]) -> None:
    assert compare(table(old), table(old)) is None


@settings(max_examples=60, deadline=None)
@given(rows, st.integers(0, 2**32 - 1))
def test_noise_in_the_last_digits_is_never_a_change(old: list[Row], seed: int) -> None:
    random = np.random.default_rng(seed)

    def noisy(value: float) -> float:
        return value * float(1 + random.uniform(-5e-10, 5e-10))

    new = [(noisy(row[0]), noisy(row[1]), noisy(row[2]), noisy(row[3]), row[4]) for row in old]
    assert compare(table(old), table(new)) is None


@settings(max_examples=60, deadline=None)
@given(rows, st.data())
def test_one_changed_price_is_a_correction_that_names_its_bar(old: list[Row], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(old) - 1))
    changed = list(old)
    opening, high, low, close, volume = old[place]
    changed[place] = (opening, high + 0.01, low, close, volume)
    revision = compare(table(old), table(changed))
    assert revision is not None
    assert revision.kind == CORRECTION
    assert revision.bars == 1
    assert to_datetime(revision.start_time) == MONDAY + place * DAY
    assert f"high of {MONDAY + place * DAY:%Y-%m-%d}" in revision.text


@pytest.mark.parametrize(("shares", "factor"), [(2.0, 0.5), (1.5, 2 / 3), (0.1, 10.0), (7.0, 1 / 7), (0.04, 25.0)])
def test_a_split_of_real_bars_is_found_though_prices_are_rounded(shares: float, factor: float) -> None:
    old: list[Row] = [bar[1:] for bar in recorded_bars("IBM")[-20:]]
    revision = compare(table(old), table(scaled(old, factor, shares, decimals=2)))
    assert revision is not None
    assert revision.kind == SPLIT
    assert revision.price_ratio == pytest.approx(factor)


@pytest.mark.parametrize(
    ("low", "high", "plain"),
    [
        (0.49, 0.51, "1/2"),
        (1.04, 1.06, "21/20"),
        (0.945, 0.96, "20/21"),
        (0.66, 0.67, "2/3"),
        (0.0999, 0.1001, "1/10"),
        (9.9, 10.3, "10"),
        (1.39, 1.41, "7/5"),
        (0.14284, 0.14287, "1/7"),
        (1.0830, 1.0836, "13/12"),
        (0.99119, 0.99121, None),
        (1.23456, 1.23457, None),
    ],
)
def test_the_customary_ratio_counts_where_rounding_leaves_several(low: float, high: float, plain: str | None) -> None:
    assert Factor(low, high).plain == (Fraction(plain) if plain else None)
    assert low <= Factor(low, high).value <= high


def test_the_words_name_the_split() -> None:
    old: list[Row] = [bar[1:] for bar in recorded_bars("IBM")[-2:]]
    revision = compare(table(old), table(scaled(old, 2 / 3, 1.5)))
    assert revision is not None
    assert revision.text == "2 bars from 2013-02-04 on have prices 0.666667 times those stored: a split, 3 for 2"


def test_bars_after_a_split_are_the_same_and_only_those_before_it_count() -> None:
    old: list[Row] = [bar[1:] for bar in recorded_bars("IBM")[-10:]]
    revision = compare(table(old), table([*scaled(old[:6], 0.5, 2.0), *old[6:]]))
    assert revision is not None
    assert (revision.kind, revision.bars) == (SPLIT, 6)
    assert to_datetime(revision.end_time) == MONDAY + 6 * DAY


def test_the_newer_half_changed_by_one_factor_is_no_split() -> None:
    old: list[Row] = [bar[1:] for bar in recorded_bars("IBM")[-10:]]
    revision = compare(table(old), table([*old[:6], *scaled(old[6:], 0.5, 2.0)]))
    assert revision is not None
    assert (revision.kind, revision.price_ratio, revision.bars) == (CORRECTION, 0.0, 4)


def test_a_corrected_bar_does_not_hide_a_split() -> None:
    old: list[Row] = [bar[1:] for bar in recorded_bars("IBM")[-10:]]
    new = scaled(old, 0.5, 2.0)
    new[4] = (new[4][0], new[4][1], new[4][2] * 0.9, new[4][3] * 0.95, new[4][4])
    revision = compare(table(old), table(new))
    assert revision is not None
    assert (revision.kind, revision.bars) == (SPLIT, 10)
    assert revision.text.endswith("a split, 2 for 1; 1 bar of them changed otherwise")


def test_a_dividend_is_a_correction_by_one_factor() -> None:
    old: list[Row] = [bar[1:] for bar in recorded_bars("IBM")[-10:]]
    revision = compare(table(old), table(scaled(old, 0.9912, 1.0)))
    assert revision is not None
    assert revision.kind == CORRECTION
    assert revision.price_ratio == pytest.approx(0.9912, rel=1e-4)


def test_a_factor_of_one_bar_by_chance_is_not_told() -> None:
    revision = compare(table([(10.0, 10.0, 10.0, 10.0, 500.0)]), table([(10.4, 10.4, 10.4, 10.4, 500.0)]))
    assert revision is not None
    assert (revision.kind, revision.price_ratio) == (CORRECTION, 0.0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([(10.0, 11.0, 9.0, 10.0, 500.0)], [(10.0, 11.0, 9.0, 10.0, 512.0)]),  # a late trade was reported
        ([(0.0, 0.0, 0.0, 0.0, -1.0)], [(0.0, 0.0, 0.0, 0.0, 0.0)]),
        ([(float("nan"), 1.0, 1.0, 1.0, 1.0)], [(float("nan"), 1.0, 1.0, 1.0, 1.0)]),
        ([], []),
        ([(10.0, 11.0, 9.0, 10.0, 500.0)], []),
    ],
)
def test_what_is_no_revision(old: list[Row], new: list[Row]) -> None:
    assert compare(table(old), table(new)) is None


def test_a_split_with_zero_prices_and_one_of_negative_prices() -> None:
    old: list[Row] = [(0.0, 0.0, 0.0, 0.0, 0.0), (-37.63, -10.0, -40.32, -37.63, -1.0), (10.0, 14.0, 8.0, 12.0, 900.0)]
    revision = compare(table(old), table(scaled(old, 0.5, 2.0)))
    assert revision is not None
    assert (revision.kind, revision.bars) == (SPLIT, 2)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 0.0, -12.0])
def test_a_price_that_became_nonsense_is_a_correction(bad: float) -> None:
    revision = compare(table([(12.0, 13.0, 11.0, 12.0, 5.0)]), table([(12.0, 13.0, 11.0, bad, 5.0)]))
    assert revision is not None
    assert revision.kind == CORRECTION


def test_only_times_that_both_have_are_compared() -> None:
    minute = timedelta(minutes=1)
    old = table([(10.0, 11.0, 9.0, 10.0, 1.0)] * 5, step=minute)
    new = table([(20.0, 22.0, 18.0, 20.0, 1.0)] * 5, start=MONDAY + 3 * minute, step=minute)
    revision = compare(old, new)
    assert revision is not None
    assert revision.bars == 2
    assert to_datetime(revision.end_time) == MONDAY + 5 * minute
    assert compare(old, table([(20.0, 22.0, 18.0, 20.0, 1.0)], start=MONDAY + 5 * minute)) is None


def revision_of(bars: int) -> bars_pb2.Revision:
    return bars_pb2.Revision(kind=SPLIT, notice_time=to_timestamp(MONDAY), bars=bars, price_ratio=0.5, text="a split")


def test_the_log_tells_the_newest_first(tmp_path: Path) -> None:
    log = RevisionLog.open(tmp_path)
    assert log.newest(10) == []
    for bars in range(4):
        log.add(revision_of(bars))
    assert RevisionLog.open(tmp_path).newest(2) == [revision_of(3), revision_of(2)]
    assert log.newest(0) == []


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_torn_line_costs_nothing_else(tmp_path: Path, cut: int) -> None:
    log = RevisionLog.open(tmp_path)
    log.add(revision_of(1))
    log.add(revision_of(2))
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes()[:-cut])
    log.add(revision_of(3))
    kept = [revision_of(3), *([revision_of(2)] if cut == 1 else []), revision_of(1)]
    assert log.newest(10) == kept
