"""Weeks and months made of days."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from services.ib_host.replay.bars import Bar, BarSize
from services.ib_host.replay.history import SourceHistory
from tests.support.recorded_bars import recorded_bars

HISTORY = SourceHistory.packaged()


@pytest.mark.parametrize(("size", "period"), [(BarSize.WEEK, "W-SUN"), (BarSize.MONTH, "M")])
@pytest.mark.parametrize("symbol", ["AAPL", "FB"])
def test_longer_bars_are_what_pandas_makes_of_the_days(symbol: str, size: BarSize, period: str) -> None:
    daily = pd.DataFrame(recorded_bars(symbol))
    daily["session"] = daily["time"].dt.date
    groups = daily.groupby(daily["time"].dt.tz_localize(None).dt.to_period(period))
    expected = groups.agg(
        {"session": "last", "open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    )
    bars = HISTORY.bars(symbol, size)
    assert [(b.session, b.open, b.high, b.low, b.close, b.volume) for b in bars] == list(
        expected.itertuples(index=False, name=None)
    )


def test_a_week_that_is_not_over_goes_as_far_as_it_has_come() -> None:
    wednesday = datetime(2011, 3, 2, 21, 0, tzinfo=UTC)
    week: Bar = HISTORY.bars("AAPL", BarSize.WEEK, as_of=wednesday)[-1]
    days = HISTORY.bars("AAPL", as_of=wednesday)[-3:]
    assert week.session == days[-1].session
    assert (week.open, week.close, week.volume) == (days[0].open, days[-1].close, sum(day.volume for day in days))
