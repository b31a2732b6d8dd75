"""Bars that cannot be right are found and described; those that only look odd are left alone."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.store.columns import SCHEMA
from services.ib_host.verdict.soundness import MOST_FAULTS, Soundness, prices_are_positive
from tests.support.checked_datasets import bars_at, key_of

START = datetime(2013, 2, 4, tzinfo=UTC)
DAY = timedelta(days=1)
NAN, INFINITY = float("nan"), float("inf")


def looked(*tables: pa.Table, positive: bool = True) -> Soundness:
    soundness = Soundness(positive=positive)
    for table in tables:
        soundness.look(table)
    return soundness


@pytest.mark.parametrize(
    ("price", "text"),
    [
        ((10.0, 10.1, 9.0, 10.3), "high 10.1 is below close 10.3"),
        ((10.2, 10.1, 9.0, 10.0), "high 10.1 is below open 10.2"),
        ((10.0, 11.0, 10.5, 10.6), "low 10.5 is above open 10"),
        ((10.0, 11.0, 9.5, 9.4), "low 9.5 is above close 9.4"),
        ((NAN, 11.0, 9.0, 10.0), "open is nan"),
        ((10.0, INFINITY, 9.0, 10.0), "high is inf"),
        ((10.0, 11.0, 0.0, 10.0), "low 0 is not positive"),
    ],
)
def test_impossible_prices(price: tuple[float, float, float, float], text: str) -> None:
    soundness = looked(bars_at([START], [price]))
    assert (soundness.impossible, soundness.sound) == (1, False)
    assert [fault.text for fault in soundness.faults] == [text]
    assert soundness.faults[0].time.ToDatetime(UTC) == START


def test_every_fault_of_a_bar_is_named() -> None:
    soundness = looked(bars_at([START], [(10.0, 8.0, 9.0, 10.0)]))
    assert soundness.impossible == 1
    assert soundness.faults[0].text == "high 8 is below open 10, high 8 is below close 10, high 8 is below low 9"


@pytest.mark.parametrize(("volume", "bad"), [(-1.0, 0), (0.0, 0), (0.5, 0), (-2.0, 1), (NAN, 1), (INFINITY, 1)])
def test_volumes(volume: float, bad: int) -> None:
    assert looked(bars_at([START], volumes=[volume])).impossible == bad


def test_futures_may_cost_less_than_nothing() -> None:
    table = bars_at([START], [(-37.63, -10.0, -40.32, -37.63)])
    assert looked(table, positive=False).sound
    assert not prices_are_positive(key_of(security_type=bars_pb2.SECURITY_TYPE_FUTURE))
    assert not prices_are_positive(key_of(what=bars_pb2.WHAT_TO_SHOW_BID))
    assert prices_are_positive(key_of())


def test_the_noise_of_adjusting_prices_is_no_fault() -> None:
    price = 118.56 * 0.1
    assert looked(bars_at([START], [(price, price, price * (1 + 1e-15), price)])).sound


def test_times_twice_and_backward_over_the_borders_of_tables() -> None:
    days = [0, 1, 1, 2], [2, 1, 3]
    soundness = looked(*(bars_at([START + day * DAY for day in part]) for part in days))
    assert (soundness.duplicates, soundness.unordered, soundness.impossible) == (2, 1, 0)
    assert [fault.text for fault in soundness.faults] == [
        "has the time of another bar",
        "has the time of another bar",
        "is stored after a later one",
    ]


def test_only_the_first_faults_are_described() -> None:
    soundness = looked(
        *[bars_at([START + DAY * number], [(10.0, 9.0, 8.0, 9.0)]) for number in range(MOST_FAULTS + 20)]
    )
    assert soundness.impossible == MOST_FAULTS + 20
    assert len(soundness.faults) == MOST_FAULTS
    assert looked(SCHEMA.empty_table()).sound


prices = st.floats(0.01, 1e6)


@settings(deadline=None)
@given(st.lists(st.tuples(prices, prices, prices, prices), min_size=1, max_size=20))
def test_exactly_the_crossed_bars_are_found(quotes: list[tuple[float, float, float, float]]) -> None:
    crossed = sum(
        high < max(opening, low, close) * (1 - 2e-9) or low > min(opening, close) * (1 + 2e-9)
        for opening, high, low, close in quotes
    )
    possible = sum(low <= min(opening, close) and high >= max(opening, close) for opening, high, low, close in quotes)
    found = looked(bars_at([START + number * DAY for number in range(len(quotes))], quotes)).impossible
    assert crossed <= found <= len(quotes) - possible
