"""When markets are open: holidays, half days, sessions that begin the evening before."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ib_host.replay.durations import Duration
from services.ib_host.replay.markets import CURRENCY_HOURS, FUTURES_HOURS, MARKETS, US_STOCK_HOURS
from services.ib_host.replay.us_calendar import (
    good_friday,
    is_currency_session,
    is_futures_session,
    is_short_futures_session,
    is_short_stock_session,
    is_stock_session,
)

DAYS = st.dates(date(2000, 1, 1), date(2040, 12, 31))


def weekdays_without_session(year: int) -> list[str]:
    days = [date(year, 1, 1) + timedelta(days=n) for n in range(366)]
    return [f"{day:%m-%d}" for day in days if day.year == year and day.weekday() < 5 and not is_stock_session(day)]


@pytest.mark.parametrize(
    ("year", "closed"),
    [
        (2021, "01-01 01-18 02-15 04-02 05-31 07-05 09-06 11-25 12-24"),
        (2022, "01-17 02-21 04-15 05-30 06-20 07-04 09-05 11-24 12-26"),
        (2024, "01-01 01-15 02-19 03-29 05-27 06-19 07-04 09-02 11-28 12-25"),
        (2012, "01-02 01-16 02-20 04-06 05-28 07-04 09-03 10-29 10-30 11-22 12-25"),
    ],
)
def test_new_york_is_closed_on_its_holidays(year: int, closed: str) -> None:
    assert weekdays_without_session(year) == closed.split()


def test_new_york_closes_early_on_some_days() -> None:
    days = [date(2024, 1, 1) + timedelta(days=n) for n in range(366)]
    short = [day for day in days if is_short_stock_session(day)]
    assert short == [date(2024, 7, 3), date(2024, 11, 29), date(2024, 12, 24)]
    assert f"{US_STOCK_HOURS.closing(short[0], regular=True):%H:%M}" == "17:00"
    assert f"{US_STOCK_HOURS.closing(short[0], regular=False):%H:%M}" == "21:00"
    assert f"{US_STOCK_HOURS.closing(short[0] - timedelta(days=1), regular=True):%H:%M}" == "20:00"


def test_good_friday_is_where_easter_puts_it() -> None:
    assert [good_friday(year) for year in (2000, 2008, 2024, 2025, 2038)] == [
        date(2000, 4, 21), date(2008, 3, 21), date(2024, 3, 29), date(2025, 4, 18), date(2038, 4, 23),
    ]  # fmt: skip


def test_futures_are_traded_to_noon_where_new_york_rests() -> None:
    thanksgiving, new_year = date(2024, 11, 28), date(2024, 1, 1)
    assert (is_futures_session(thanksgiving), is_short_futures_session(thanksgiving)) == (True, True)
    assert not is_futures_session(new_year)
    assert not is_futures_session(good_friday(2024))
    assert FUTURES_HOURS.closing(thanksgiving, regular=False) == datetime(2024, 11, 28, 18, tzinfo=UTC)


def test_currencies_are_traded_on_holidays_of_stocks() -> None:
    assert is_currency_session(date(2024, 7, 4))
    assert not is_currency_session(date(2024, 12, 25))
    assert not is_currency_session(date(2024, 7, 6))


@pytest.mark.parametrize(
    ("instant", "session"),
    [
        (datetime(2024, 3, 8, 21, 59, tzinfo=UTC), date(2024, 3, 8)),
        (datetime(2024, 3, 10, 21, 14, tzinfo=UTC), date(2024, 3, 10)),
        (datetime(2024, 3, 10, 21, 15, tzinfo=UTC), date(2024, 3, 11)),  # Sunday evening, the first in summer time
        (datetime(2024, 3, 11, 3, tzinfo=UTC), date(2024, 3, 11)),
    ],
)
def test_a_session_has_the_date_on_which_it_ends(instant: datetime, session: date) -> None:
    assert CURRENCY_HOURS.session_of(instant) == session


@given(DAYS, st.sampled_from(sorted(MARKETS)))
def test_a_session_holds_its_own_hours_and_no_others(day: date, kind: str) -> None:
    hours = MARKETS[kind].hours
    opening, closing = hours.opening(day, regular=False), hours.closing(day, regular=False)
    assert hours.begins(day) <= opening <= hours.opening(day, regular=True)
    assert (
        opening < hours.closing(day, regular=True) <= closing <= hours.opening(day + timedelta(days=1), regular=False)
    )
    assert {hours.session_of(opening), hours.session_of(closing - timedelta(seconds=1))} == {day}


@given(st.integers(0, 20 * 1440), st.integers(1, 8))
def test_trading_days_of_evening_sessions_reach_back_to_the_same_time(before: int, count: int) -> None:
    sessions = [day for n in range(60) if is_futures_session(day := date(2024, 2, 1) + timedelta(days=n))]
    end = datetime(2024, 3, 28, 23, tzinfo=UTC) - timedelta(minutes=before)
    start = Duration(count, "D").intraday_start(end, sessions, hours=FUTURES_HOURS)
    session = FUTURES_HOURS.session_of(end)
    assert start < end
    reached = FUTURES_HOURS.session_of(start)
    if session in sessions:
        assert sessions.index(session) - sessions.index(reached) == count
        assert start.astimezone(FUTURES_HOURS.zone).time() == end.astimezone(FUTURES_HOURS.zone).time()
    else:
        assert len([day for day in sessions if reached <= day < session]) == count
