"""When bars are over."""

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.training_host.bars.closing import close_times, over_by
from services.training_host.bars.periods import next_period_start, period_numbers
from services.training_host.bars.series import Bars
from services.training_host.strategy.training_data import TIMEFRAMES


def nanoseconds(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def bars_at(timeframe: str, *moments: datetime) -> Bars:
    ones = np.ones(len(moments))
    times = np.array([nanoseconds(moment) for moment in moments], np.int64)
    return Bars("AAPL", timeframe, times, ones, ones, ones, ones, ones)


@pytest.mark.parametrize(
    ("timeframe", "begins", "over"),
    [
        ("1s", "2013-03-01 14:30:07", "2013-03-01 14:30:08"),
        ("5min", "2013-03-01 14:30", "2013-03-01 14:35"),
        ("1h", "2013-03-01 14:30", "2013-03-01 15:30"),
        ("8h", "2013-03-01 16:00", "2013-03-02"),
        # A date is over once it is over in the westernmost time zone.
        ("1d", "2013-03-01", "2013-03-02 12:00"),
        ("1d", "2012-12-31", "2013-01-01 12:00"),
        # A file may have the start of a session, or midnight in Tokyo, instead of the date.
        ("1d", "2013-03-01 09:00", "2013-03-02 12:00"),
        ("1d", "2013-03-01 14:30", "2013-03-02 15:30"),
        ("1d", "2013-02-28 15:00", "2013-03-01 16:00"),
        # Wednesday as the last session so far, Friday, Sunday: the week ends with Sunday.
        ("1w", "2013-02-27", "2013-03-04 12:00"),
        ("1w", "2013-03-01", "2013-03-04 12:00"),
        ("1w", "2013-03-03", "2013-03-04 12:00"),
        ("1w", "2013-03-04", "2013-03-11 12:00"),
        # A week that begins in one year and ends in the next.
        ("1w", "2012-12-31", "2013-01-07 12:00"),
        ("1month", "2012-02-01", "2012-03-01 12:00"),
        ("1month", "2012-02-29", "2012-03-01 12:00"),
        ("1month", "2012-12-17", "2013-01-01 12:00"),
        ("1w", "1969-12-31", "1970-01-05 12:00"),
        ("1month", "1969-12-31", "1970-01-01 12:00"),
    ],
)  # fmt: skip
def test_bars_are_over_at_their_end(timeframe: str, begins: str, over: str) -> None:
    assert close_times(bars_at(timeframe, at(begins))).tolist() == [nanoseconds(at(over))]


def midnight(day: date) -> int:
    return nanoseconds(datetime.combine(day, time()))


@given(st.dates(date(1965, 1, 1), date(2035, 12, 31)))
def test_weeks_and_months_are_those_of_the_calendar(day: date) -> None:
    instant, monday = np.array([midnight(day)]), day - timedelta(days=day.weekday())
    assert period_numbers(instant, "1w") == period_numbers(np.array([midnight(monday)]), "1w")
    assert next_period_start(instant, "1w") == midnight(monday + timedelta(days=7))
    assert next_period_start(instant, "1month") == midnight((day.replace(day=28) + timedelta(days=4)).replace(day=1))


@given(st.sampled_from(TIMEFRAMES), st.datetimes(at("1975-01-01"), at("2035-01-01")))
def test_no_bar_is_over_before_the_period_that_its_time_lies_in(timeframe: str, begins: datetime) -> None:
    bars = bars_at(timeframe, begins.replace(microsecond=0))
    assert (close_times(bars) >= next_period_start(bars.times, timeframe)).all()


def test_bars_that_went_on_at_an_instant_are_not_over_by_then() -> None:
    weeks = bars_at("1w", at("2013-02-22"), at("2013-02-27"))
    assert len(over_by(weeks, nanoseconds(at("2013-02-27")))) == 1
    assert len(over_by(weeks, nanoseconds(at("2013-03-04 12:00")) - 1)) == 1
    assert len(over_by(weeks, nanoseconds(at("2013-03-04 12:00")))) == 2
