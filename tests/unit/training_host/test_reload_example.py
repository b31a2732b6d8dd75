"""The rules of features.json, as the example that needs nothing of ours follows them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.reload_model import membership, over_at, read_bars
from services.training_host.bars.closing import close_times
from services.training_host.bars.series import DATED_BY_SESSION, Bars
from services.training_host.fuzzy.function import membership as ours
from services.training_host.strategy.membership import Gaussian, Trapezoidal, Triangular
from services.training_host.strategy.training_data import TIMEFRAMES
from tests.support.recorded_bars import write_recorded_bars

CLOSES = np.ones(40)


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_bars_are_over_when_ours_are(timeframe: str) -> None:
    # Days over two turns of the year, a leap day and both ends of months and weeks; hours within them, which files may
    # have for daily bars too.
    days = np.concatenate([np.arange(10950, 10965), np.arange(11010, 11035)])
    times = (days * 24 + np.arange(40) % 24) * 3_600_000_000_000
    times = np.sort(times) if timeframe not in DATED_BY_SESSION else days * 86_400_000_000_000
    bars = Bars("AAA", timeframe, times, CLOSES, CLOSES, CLOSES, CLOSES, CLOSES)
    np.testing.assert_array_equal(over_at(times, timeframe), close_times(bars))


numbers = st.integers(-20, 20).map(float)


@settings(max_examples=60, deadline=None)
@given(corners=st.lists(numbers, min_size=4, max_size=4).map(sorted), spread=st.floats(0.1, 10))
def test_memberships_are_ours(corners: list[float], spread: float) -> None:
    values = np.array([*np.linspace(-25, 25, 201), *corners, np.nan])
    kinds: list[Triangular | Trapezoidal | Gaussian] = [Gaussian(type="gaussian", parameters=[corners[0], spread])]
    if corners[0] < corners[3]:
        kinds.append(Trapezoidal(type="trapezoidal", parameters=corners))
    if corners[0] < corners[2]:
        kinds.append(Triangular(type="triangular", parameters=corners[:3]))
    for kind in kinds:
        np.testing.assert_array_equal(membership(kind.type, kind.parameters, values), ours(kind, values))


def test_bars_are_read_from_csv(tmp_path: Path) -> None:
    columns = read_bars(write_recorded_bars("AAPL", tmp_path / "AAPL.csv"))
    assert columns["time"][0] == np.datetime64("2000-03-01", "ns").astype(np.int64)
    assert len(columns["close"]) == len(columns["volume"]) == 3270
    assert (np.diff(columns["time"]) > 0).all()
