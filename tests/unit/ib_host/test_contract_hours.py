"""Hours in the gateway's notations, the weeks that they are samples of, and the zones that they are told in."""

import contextlib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.sessions.hours_text import parse_hours, weekly_pattern
from services.ib_host.sessions.kept_hours import KeptHours
from services.ib_host.sessions.weekly import Interval
from services.ib_host.sessions.zones import zone_of
from tests.support.checked_datasets import key_of

MORNING_TO_FOUR = Interval(9 * 60 + 30, 16 * 60)
FUTURES = Interval(17 * 60 - 1440, 16 * 60)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("20130301:0930-20130301:1600;20130302:CLOSED", {date(2013, 3, 1): [MORNING_TO_FOUR], date(2013, 3, 2): []}),
        ("20130301:0930-1600;20130302:CLOSED", {date(2013, 3, 1): [MORNING_TO_FOUR], date(2013, 3, 2): []}),
        (
            "20130301:0930-1200,1300-1600;",
            {date(2013, 3, 1): [Interval(570, 720), Interval(780, 960)]},
        ),
        (
            "20130301:0930-20130301:1200,20130301:1300-20130301:1600",
            {date(2013, 3, 1): [Interval(570, 720), Interval(780, 960)]},
        ),
        # Over midnight it is the day of the end that counts, in both notations.
        ("20130303:1700-20130304:1600", {date(2013, 3, 4): [FUTURES]}),
        (
            "20131210:1700-1515,1530-1615",
            {date(2013, 12, 10): [Interval(17 * 60 - 1440, 15 * 60 + 15), Interval(15 * 60 + 30, 16 * 60 + 15)]},
        ),
        ("20130303:1715-20130304:1700;20130303:1715-20130304:1700", {date(2013, 3, 4): [Interval(1035 - 1440, 1020)]}),
        ("20130304:0000-20130305:0000", {date(2013, 3, 4): [Interval(0, 1440)]}),
        ("20130304:0000-2400", {date(2013, 3, 4): [Interval(0, 1440)]}),
        ("", {}),
    ],
)
def test_notations(text: str, days: dict[date, list[Interval]]) -> None:
    assert parse_hours(text) == days


@pytest.mark.parametrize(
    "text",
    [
        "now and then",
        "20130301:9-16",
        "20130301",
        "20130332:0930-1600",
        "20130301:0930-20130310:1600",
        "20130301:2561-2600",
    ],
)
def test_other_notations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"notation of hours|does not match|unconverted"):
        parse_hours(text)


@settings(deadline=None)
@given(st.text("0123456789:-,;CLOSED ", max_size=60) | st.from_regex(r"[0-9]{8}:[0-9]{4}-([0-9]{8}:)?[0-9]{4}"))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        for day, intervals in parse_hours(text).items():
            assert list(intervals) == sorted(intervals)
            for interval in intervals:
                session = interval.on(day, ZoneInfo("America/New_York"))
                assert session.start <= session.end


def test_a_holiday_and_days_that_were_not_told_get_the_usual_hours() -> None:
    # From a Thursday to a Tuesday, with a Monday without trading.
    days = parse_hours(
        "20130117:0930-1600;20130118:0930-1600;20130119:CLOSED;20130120:CLOSED;20130121:CLOSED;20130122:0930-1600"
    )
    week = {day: list(hours) for day, hours in weekly_pattern(days).items()}
    assert week == {day: [MORNING_TO_FOUR] for day in range(5)}


def test_a_friday_without_trading_stays_so_where_sunday_is_a_working_day() -> None:
    days = parse_hours("20130120:1000-1500;20130121:1000-1500;20130124:1000-1500;20130125:CLOSED;20130126:CLOSED")
    assert 4 not in weekly_pattern(days)


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("EST", "America/New_York"),
        ("EST (Eastern Standard Time)", "America/New_York"),
        ("EST5EDT", "EST5EDT"),
        ("US/Eastern", "US/Eastern"),
        ("Asia/Hong_Kong", "Asia/Hong_Kong"),
        ("GB-Eire", "GB-Eire"),
        ("MET", "Europe/Paris"),
        ("JST", "Asia/Tokyo"),
        ("Australia/NSW", "Australia/NSW"),
    ],
)
def test_zones(name: str, zone: str) -> None:
    found = zone_of(name)
    assert found is not None
    assert found.key == zone


def test_the_zone_of_new_york_has_summer_time_by_its_old_names_too() -> None:
    for name in ("EST", "EST5EDT"):
        assert datetime(2013, 7, 1, tzinfo=zone_of(name)).utcoffset() == timedelta(hours=-4)


def test_times_that_summer_time_skips() -> None:
    night = Interval(2 * 60 + 30, 3 * 60).on(date(2013, 3, 10), ZoneInfo("America/New_York"))
    assert night.start == night.end


@pytest.mark.parametrize("name", ["", "Middle/Earth", "../etc", "a" * 300])
def test_a_zone_that_is_not_known(name: str) -> None:
    assert zone_of(name) is None


def kept() -> KeptHours:
    return KeptHours(
        time_zone="EST",
        trading_hours="20130301:0400-20130301:2000;20130302:CLOSED;20130304:0400-20130304:2000",
        liquid_hours="20130301:0930-20130301:1600;20130302:CLOSED;20130304:0930-20130304:1600",
    )


def test_hours_of_a_stock_follow_summer_time(tmp_path: Path) -> None:
    kept().save(tmp_path)
    loaded = KeptHours.load(tmp_path)
    assert loaded == kept()
    calendar = loaded.calendar(key_of(use_rth=False))
    assert calendar is not None
    start, end = datetime(2013, 3, 8, tzinfo=UTC), datetime(2013, 3, 12, tzinfo=UTC)
    assert [(session.start, session.date) for session in calendar.sessions(start, end)] == [
        (datetime(2013, 3, 8, 14, 30, tzinfo=UTC), date(2013, 3, 8)),
        (datetime(2013, 3, 11, 13, 30, tzinfo=UTC), date(2013, 3, 11)),
    ]
    # Four in the morning to the opening, and the close to eight in the evening of the Friday, which is Saturday in UTC.
    assert [(session.start.hour, session.end.hour) for session in calendar.extra(start, end)] == [
        (21, 1), (9, 14), (21, 1), (8, 13), (20, 0)
    ]  # fmt: skip
    assert not calendar.knows_holidays


def test_all_hours_of_a_future_are_expected() -> None:
    hours = KeptHours(
        time_zone="US/Central",
        trading_hours="20130303:1700-20130304:1600",
        liquid_hours="20130304:0830-20130304:1515",
    )
    start, end = datetime(2013, 3, 6, tzinfo=UTC), datetime(2013, 3, 6, 12, tzinfo=UTC)
    future = bars_pb2.SECURITY_TYPE_FUTURE
    every = hours.calendar(key_of(use_rth=False, security_type=future))
    regular = hours.calendar(key_of(use_rth=True, security_type=future))
    assert every is not None
    assert regular is not None
    assert [session.start.hour for session in every.sessions(start, end)] == [23]
    assert not regular.sessions(start, end)
    assert not every.extra(start, end)


@pytest.mark.parametrize(
    "hours",
    [
        KeptHours(time_zone="Middle/Earth", trading_hours="20130301:0930-1600", liquid_hours=""),
        KeptHours(time_zone="EST", trading_hours="rubbish", liquid_hours=""),
        KeptHours(time_zone="EST", trading_hours="", liquid_hours=""),
    ],
)
def test_hours_that_say_nothing(hours: KeptHours) -> None:
    assert hours.calendar(key_of()) is None


def test_a_file_that_can_not_be_read_counts_as_none(tmp_path: Path) -> None:
    assert KeptHours.load(tmp_path) is None
    (tmp_path / "hours.json").write_text("{")
    assert KeptHours.load(tmp_path) is None
