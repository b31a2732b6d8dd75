"""How far back a request reaches."""

from bisect import bisect_right
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ib_host.replay.durations import EARLIEST, Duration
from services.ib_host.replay.history import SourceHistory
from services.ib_host.replay.market import NEW_YORK, session_close

SESSIONS = SourceHistory.packaged().sessions("AAPL")
CLOSES = [session_close(session).astimezone(UTC) for session in SESSIONS]
INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2014, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- bounds take their zone from `timezones`
DURATIONS = st.builds(Duration, st.integers(10, 400), st.sampled_from("DWM")) | st.builds(
    Duration, st.integers(864_000, 9_999_999), st.just("S")
)


@pytest.mark.parametrize("text", ["", "1", "1 d", "0 D", "-1 D", "1D", "1 Q", "1.5 Y", "ten Y", "1  D", "12345678 D"])
def test_anything_else_is_no_duration(text: str) -> None:
    assert Duration.parse(text) is None


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("1 Y", datetime(2011, 2, 28, 23, 59, 59, tzinfo=NEW_YORK)),
        ("1 M", datetime(2012, 1, 29, 23, 59, 59, tzinfo=NEW_YORK)),
        ("12 M", datetime(2011, 2, 28, 23, 59, 59, tzinfo=NEW_YORK)),
        ("2 W", datetime(2012, 2, 15, 23, 59, 59, tzinfo=NEW_YORK)),
        ("86400 S", datetime(2012, 2, 28, 23, 59, 59, tzinfo=NEW_YORK)),
        ("3 D", datetime(2012, 2, 24, 16, 0, tzinfo=NEW_YORK)),
        ("9000 Y", EARLIEST),
        ("9999999 W", EARLIEST),
        ("9999999 D", EARLIEST),
    ],
)
def test_durations_count_back_in_new_york(text: str, start: datetime) -> None:
    duration = Duration.parse(text)
    assert duration is not None
    assert duration.start(datetime(2012, 2, 29, 23, 59, 59, tzinfo=NEW_YORK), SESSIONS) == start


@pytest.mark.parametrize("unit", list("SDWMY"))
@pytest.mark.parametrize("end", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_the_ends_of_the_calendar_do_no_harm(unit: str, end: datetime) -> None:
    assert Duration(1, unit).start(end, SESSIONS) >= EARLIEST


@given(INSTANTS, st.integers(1, 400))
@settings(max_examples=60, deadline=None)
def test_days_are_trading_days(end: datetime, count: int) -> None:
    start = Duration(count, "D").start(end, SESSIONS)
    until_end = bisect_right(CLOSES, end)
    assert until_end - bisect_right(CLOSES, start) == min(count, until_end)


@given(INSTANTS, DURATIONS)
@settings(max_examples=60, deadline=None)
def test_windows_that_start_where_the_next_ends_show_every_session_once(end: datetime, duration: Duration) -> None:
    expected = CLOSES[: bisect_right(CLOSES, end)]
    seen: list[datetime] = []
    while end >= CLOSES[0]:
        start = duration.start(end, SESSIONS)
        assert start < end
        seen = CLOSES[bisect_right(CLOSES, start) : bisect_right(CLOSES, end)] + seen
        end = start
    assert len(seen) == len(expected)
    assert seen == expected
