"""No bar counts as over before it is: by its length, by its session, and by the calendar of its exchange."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.bar_sizes import BAR_LENGTHS, BarLength
from services.ib_host.loading.closing import closed_until
from services.ib_host.sessions.session import NoCalendar, Session

NEW_YORK = ZoneInfo("America/New_York")
ZONE = "US/Eastern"
DAILY = BAR_LENGTHS[bars_pb2.BAR_SIZE_1_DAY]
WEEKLY = BAR_LENGTHS[bars_pb2.BAR_SIZE_1_WEEK]
MONTHLY = BAR_LENGTHS[bars_pb2.BAR_SIZE_1_MONTH]
HOURLY = BAR_LENGTHS[bars_pb2.BAR_SIZE_1_HOUR]
EIGHT_HOURS = BAR_LENGTHS[bars_pb2.BAR_SIZE_8_HOURS]
MINUTE = BAR_LENGTHS[bars_pb2.BAR_SIZE_1_MINUTE]


class WeekdaysInNewYork(NoCalendar):
    """9:30 to 16:00 on weekdays but for some holidays."""

    zone = NEW_YORK
    knows_holidays = True

    def __init__(self, *holidays: date) -> None:
        super().__init__("made for a test")
        self._holidays = holidays

    def sessions(self, start: datetime, end: datetime) -> Sequence[Session]:
        day, found = start.date() - timedelta(days=1), []
        while day <= end.date():
            if day.weekday() < 5 and day not in self._holidays:
                opens, closes = (
                    datetime.combine(day, at, NEW_YORK).astimezone(UTC) for at in (time(9, 30), time(16, 0))
                )
                if opens < end and closes > start:
                    found.append(Session(opens, closes, day))
            day += timedelta(days=1)
        return found

    def known(self, start: datetime, end: datetime) -> tuple[datetime, datetime] | None:
        return start, end


def new_york(day: int, hour: int, minute: int = 0) -> datetime:
    """Return an instant of March 2013: the first is a Friday, the 29th is Good Friday."""
    return datetime(2013, 3, day, hour, minute, tzinfo=NEW_YORK)


def midnight(day: int, month: int = 3) -> datetime:
    return datetime(2013, month, day, tzinfo=UTC)


@pytest.mark.parametrize(
    ("bar", "now", "closed"),
    [
        (DAILY, new_york(5, 15, 59), midnight(5)),
        (DAILY, new_york(5, 16, 0), midnight(6)),
        (DAILY, new_york(6, 1), midnight(6)),
        (DAILY, new_york(2, 12), midnight(2)),
        (WEEKLY, new_york(7, 17), midnight(4)),
        (WEEKLY, new_york(8, 15), midnight(4)),
        (WEEKLY, new_york(8, 17), midnight(11)),
        (WEEKLY, new_york(9, 12), midnight(11)),
        (WEEKLY, new_york(28, 17), midnight(1, 4)),
        (MONTHLY, new_york(27, 17), midnight(1)),
        (MONTHLY, new_york(28, 17), midnight(1, 4)),
        (MINUTE, new_york(5, 12, 30), new_york(5, 12, 29) + timedelta(seconds=1)),
        (HOURLY, new_york(5, 15, 50), new_york(5, 14, 50) + timedelta(seconds=1)),
        (HOURLY, new_york(5, 16, 0), new_york(5, 16, 0)),
        (EIGHT_HOURS, new_york(5, 16, 1), new_york(5, 16, 1)),
        (EIGHT_HOURS, new_york(5, 15, 0), new_york(5, 7, 0) + timedelta(seconds=1)),
    ],
)
def test_bars_are_over_with_their_session(bar: BarLength, now: datetime, closed: datetime) -> None:
    calendar = WeekdaysInNewYork(date(2013, 3, 29))
    assert closed_until(now, bar, time_zone=ZONE, calendar=calendar) == closed


@pytest.mark.parametrize(
    ("bar", "now", "closed"),
    [
        (DAILY, new_york(5, 23), midnight(5)),
        (DAILY, new_york(6, 0, 1), midnight(6)),
        (WEEKLY, new_york(8, 23), midnight(4)),
        (WEEKLY, new_york(9, 12), midnight(4)),
        (WEEKLY, new_york(11, 0, 1), midnight(11)),
        (EIGHT_HOURS, new_york(5, 17), new_york(5, 9) + timedelta(seconds=1)),
    ],
)
def test_without_sessions_bars_are_over_with_their_day_or_length(
    bar: BarLength, now: datetime, closed: datetime
) -> None:
    assert closed_until(now, bar, time_zone=ZONE, calendar=None) == closed


def test_a_calendar_that_says_nothing_closes_nothing_early() -> None:
    calendar = NoCalendar("nothing is known")
    assert closed_until(new_york(5, 17), DAILY, time_zone=ZONE, calendar=calendar) == midnight(5)
    assert closed_until(new_york(5, 17), DAILY, time_zone="No/Where", calendar=calendar) == midnight(5)


def test_a_session_of_the_next_day_that_has_begun_does_not_open_the_last_one_again() -> None:
    """Futures: the session of Wednesday begins on Tuesday evening."""

    class Futures(WeekdaysInNewYork):
        def sessions(self, start: datetime, end: datetime) -> Sequence[Session]:
            found = []
            for day in range(3, 9):
                opens, closes = new_york(day, 18).astimezone(UTC), new_york(day + 1, 17).astimezone(UTC)
                if opens < end and closes > start:
                    found.append(Session(opens, closes, date(2013, 3, day + 1)))
            return found

    assert closed_until(new_york(5, 18, 30), DAILY, time_zone=ZONE, calendar=Futures()) == midnight(6)
    assert closed_until(new_york(5, 16, 30), DAILY, time_zone=ZONE, calendar=Futures()) == midnight(5)
