"""When IB resets its servers.

The hours are those that IB publishes on its page of system status: each region once or twice a day from Sunday to
Friday, and all of them in the night from Friday to Saturday. They are kept by the clock of the region, so their UTC
times move with its daylight saving time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

NEW_YORK: Final = ZoneInfo("America/New_York")
_ZURICH: Final = ZoneInfo("Europe/Zurich")
_HONG_KONG: Final = ZoneInfo("Asia/Hong_Kong")
_DAY: Final = timedelta(days=1)
_FRIDAY: Final = 4
_SATURDAY: Final = 5
_SUNDAY_TO_FRIDAY: Final = frozenset(range(7)) - {_SATURDAY}


class Reset(NamedTuple):
    """One reset.

    Attributes:
        servers: which of IB's servers it takes, for people: "North American".
        start: its beginning, UTC.
        end: its end, UTC.
        zone: whose clock it goes by.
    """

    servers: str
    start: datetime
    end: datetime
    zone: ZoneInfo


@dataclass(frozen=True)
class _Schedule:
    """A reset that comes back.

    Attributes:
        servers: which of IB's servers.
        zone: whose clock it goes by.
        weekdays: on which it begins there; Monday is 0.
        start: time at which it begins.
        end: time at which it is over; of the next day where it is not after the start.
    """

    servers: str
    zone: ZoneInfo
    weekdays: frozenset[int]
    start: time
    end: time

    def on(self, day: date) -> Reset:
        """Return the reset that begins on a day."""
        end_day = day if self.end > self.start else day + _DAY
        return Reset(self.servers, _utc(day, self.start, self.zone), _utc(end_day, self.end, self.zone), self.zone)


_SCHEDULES: Final[Sequence[_Schedule]] = (
    _Schedule("North American", NEW_YORK, _SUNDAY_TO_FRIDAY, time(0, 15), time(1, 45)),
    _Schedule("European", _ZURICH, _SUNDAY_TO_FRIDAY, time(6, 25), time(7, 45)),
    _Schedule("Asian", _HONG_KONG, _SUNDAY_TO_FRIDAY, time(4, 45), time(6, 5)),
    _Schedule("Asian", _HONG_KONG, _SUNDAY_TO_FRIDAY, time(20, 15), time(21, 15)),
    _Schedule("", NEW_YORK, frozenset({_FRIDAY}), time(23), time(3)),
)


def resets_at(instant: datetime) -> Sequence[Reset]:
    """Return the resets that are under way; a reset of all servers comes alone.

    Args:
        instant: aware.
    """
    running = list(_around(instant))
    everything = [reset for reset in running if not reset.servers]
    return everything or running


def login_ended(instant: datetime) -> datetime | None:
    """Return when the week's logins ended, UTC, if that was on this very Sunday by the clock of New York.

    IB ends them on Sunday at 1:00; then a person has to log in at the gateway.

    Args:
        instant: aware.
    """
    local = instant.astimezone(NEW_YORK)
    ended = _utc(local.date(), time(1), NEW_YORK)
    is_sunday = local.weekday() == _SATURDAY + 1
    return ended if is_sunday and ended <= instant else None


def _around(instant: datetime) -> Iterator[Reset]:
    for schedule in _SCHEDULES:
        today = instant.astimezone(schedule.zone).date()
        for day in (today - _DAY, today):
            if day.weekday() in schedule.weekdays:
                reset = schedule.on(day)
                if reset.start <= instant < reset.end:
                    yield reset


def _utc(day: date, clock: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, clock, zone).astimezone(UTC)
