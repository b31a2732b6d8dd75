"""IB's nightly resets, by the clocks of their regions, in summer and winter."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ib_host.resets.texts import login_text, reset_text
from services.ib_host.resets.windows import resets_at

NEW_YORK = ZoneInfo("America/New_York")


def at(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        # A winter's Tuesday: 00:15 in New York is 05:15 UTC, 06:25 in Zurich 05:25 UTC.
        ("2024-01-09 05:14", ""),
        ("2024-01-09 05:15", "IB resets its North American servers until 01:45 EST"),
        (
            "2024-01-09 05:30",
            "IB resets its North American servers until 01:45 EST and its European servers until 07:45 CET",
        ),
        ("2024-01-09 06:45", ""),
        # In summer both are an hour earlier.
        ("2024-07-09 04:15", "IB resets its North American servers until 01:45 EDT"),
        ("2024-07-09 05:45", ""),
        # Two weeks in March New York is ahead: its reset is over when that of Europe is half done.
        ("2024-03-12 05:45", "IB resets its European servers until 07:45 CET"),
        ("2024-01-09 12:15", "IB resets its Asian servers until 21:15 HKT"),
        ("2024-01-08 20:45", "IB resets its Asian servers until 06:05 HKT"),
        ("2024-01-09 13:15", ""),
        # The weekend's reset takes all, from Friday 23:00 to Saturday 3:00 in New York.
        ("2024-01-13 03:59", ""),
        ("2024-01-13 04:00", "IB resets all its servers until 03:00 EST"),
        ("2024-01-13 05:20", "IB resets all its servers until 03:00 EST"),
        ("2024-01-13 08:00", ""),
        # Saturday has no other.
        ("2024-01-13 12:30", ""),
        ("2024-01-14 12:30", "IB resets its Asian servers until 21:15 HKT"),
    ],
)
def test_what_resets_when(instant: str, text: str) -> None:
    assert reset_text(at(instant)) == text


def test_a_reset_in_the_night_of_the_clock_change_ends_by_the_clock() -> None:
    # On 2024-11-03, a Sunday, 01:45 comes twice in New York; the first is 05:45 UTC.
    assert [reset.end for reset in resets_at(at("2024-11-03 04:30"))] == [at("2024-11-03 05:45")]


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        ("2024-01-14 05:59", ""),
        ("2024-01-14 06:00", "IB ended last week's logins on Sunday 01:00 EST"),
        ("2024-07-14 05:00", "IB ended last week's logins on Sunday 01:00 EDT"),
        ("2024-01-15 05:00", ""),
    ],
)
def test_logins_end_on_sunday(instant: str, text: str) -> None:
    assert login_text(at(instant)) == text


@given(st.integers(0, 20 * 366 * 24 * 60))
def test_a_reset_holds_the_instant_and_is_short(minute: int) -> None:
    instant = at("2015-01-01 00:00") + timedelta(minutes=minute)
    for reset in resets_at(instant):
        assert reset.start <= instant < reset.end
        assert timedelta(hours=1) <= reset.end - reset.start <= timedelta(hours=5)


@given(st.dates(date(2015, 1, 1), date(2035, 1, 1)))
def test_new_york_resets_on_every_day_but_saturday_at_half_past_midnight(day: date) -> None:
    instant = datetime.fromisoformat(f"{day} 00:30").replace(tzinfo=NEW_YORK)
    servers = [reset.servers for reset in resets_at(instant.astimezone(UTC))]
    assert ("" if instant.weekday() == 5 else "North American") in servers
