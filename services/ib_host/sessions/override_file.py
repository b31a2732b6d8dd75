"""Reading a file with which a person corrects a calendar."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from services.ib_host.sessions.weekly import Interval, Week
from services.ib_host.sessions.zones import zone_of

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_STRETCH: Final = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")
_HEADER: Final = re.compile(r"\s*\[+\s*([\w-]+)\s*\]+\s*(#.*)?")
_MINUTES_OF_A_DAY: Final = 1440
_FIRST_YEAR: Final = 1800
_LAST_YEAR: Final = 2199
_KEYS: Final = {
    "": {"zone", "closed", "session", "week", "week_all_hours"},
    "closed": {"first", "last", "reason"},
    "session": {"date", "hours", "all_hours", "reason"},
    "week": set(_DAYS),
    "week_all_hours": set(_DAYS),
}


class CalendarFileError(ValueError):
    """A file can't be used; the message names file, line and fault."""


class ClosedDays(NamedTuple):
    """Days without a session.

    Attributes:
        first, last: both are closed.
    """

    first: date
    last: date


class DayHours(NamedTuple):
    """The hours of one day, whatever the calendar says of it.

    Attributes:
        hours: in which bars are expected.
        all_hours: in which there may be bars.
    """

    hours: Sequence[Interval]
    all_hours: Sequence[Interval]


class Overrides(NamedTuple):
    """What a file says.

    Attributes:
        zone: of its times; None where it does not say.
        closed: days without sessions.
        days: days with hours of their own.
        week: hours of each week, in place of those of any calendar; None: the file only corrects one.
        all_week: all hours of each week; None: the same.
    """

    zone: ZoneInfo | None
    closed: Sequence[ClosedDays]
    days: Mapping[date, DayHours]
    week: Week | None
    all_week: Week | None


def read_overrides(path: Path, *, shown: str) -> Overrides | None:
    """Read a file; None where there is none.

    Args:
        path: the file.
        shown: how messages call it.

    Raises:
        CalendarFileError: it can't be read, or says something that can't be.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        message = f"{shown} can't be read: {error}"
        raise CalendarFileError(message) from error
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"{shown} is no TOML: {error}"
        raise CalendarFileError(message) from error
    return _Reader(content, text, shown).read()


class _Reader:
    """One file on its way from TOML to overrides."""

    def __init__(self, content: Mapping[str, Any], text: str, shown: str) -> None:
        self._content = content
        self._lines = text.splitlines()
        self._shown = shown

    def read(self) -> Overrides:
        self._check_keys("", 0, self._content)
        zone_name = self._content.get("zone")
        zone = zone_of(zone_name) if isinstance(zone_name, str) else None
        if zone_name is not None and zone is None:
            raise self._fault("", 0, "zone", f'{zone_name!r} is no time zone; write one such as "America/New_York"')
        week, all_week = self._week("week"), self._week("week_all_hours")
        if all_week is not None and week is None:
            raise self._fault("week_all_hours", 0, "", "needs a [week] with the regular hours beside it")
        return Overrides(zone, [*self._closed()], {**self._sessions()}, week, all_week)

    def _closed(self) -> Sequence[ClosedDays]:
        found = []
        for number, table in enumerate(self._tables("closed")):
            first = self._day("closed", number, table, "first")
            last = self._day("closed", number, table, "last") if "last" in table else first
            if last < first:
                raise self._fault("closed", number, "last", f"{last} is before first, {first}")
            found.append(ClosedDays(first, last))
        return found

    def _sessions(self) -> Mapping[date, DayHours]:
        found: dict[date, DayHours] = {}
        for number, table in enumerate(self._tables("session")):
            day = self._day("session", number, table, "date")
            if day in found:
                raise self._fault("session", number, "date", f"{day} is there twice")
            if "hours" not in table:
                raise self._fault("session", number, "", 'needs hours, such as ["09:30-13:00"]')
            hours = self._hours("session", number, table, "hours")
            every = self._hours("session", number, table, "all_hours") if "all_hours" in table else hours
            found[day] = DayHours(hours, every)
        return found

    def _week(self, name: str) -> Week | None:
        if name not in self._content:
            return None
        table = self._content[name]
        if not isinstance(table, dict):
            raise self._fault("", 0, name, f"is no table; begin it with [{name}]")
        self._check_keys(name, 0, table)
        return {number: self._hours(name, 0, table, day) for number, day in enumerate(_DAYS) if day in table}

    def _tables(self, name: str) -> Sequence[Mapping[str, Any]]:
        tables = self._content.get(name, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise self._fault("", 0, name, f"is no list of tables; begin each with [[{name}]]")
        for number, table in enumerate(tables):
            self._check_keys(name, number, table)
        return tables

    def _day(self, table_name: str, number: int, table: Mapping[str, Any], key: str) -> date:
        value = table.get(key)
        if not isinstance(value, date) or isinstance(value, datetime):
            raise self._fault(table_name, number, key, f"{key} has to be a date without quotes, such as 2024-07-03")
        if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
            raise self._fault(table_name, number, key, f"{value} is not between {_FIRST_YEAR} and {_LAST_YEAR}")
        return value

    def _hours(self, table_name: str, number: int, table: Mapping[str, Any], key: str) -> Sequence[Interval]:
        value = table[key]
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not texts:
            raise self._fault(table_name, number, key, f'{key} has to be a list such as ["09:30-16:00"]')
        intervals = [self._interval(table_name, number, key, text) for text in texts]
        for before, after in pairwise(intervals):
            if after.start < before.end:
                raise self._fault(table_name, number, key, "the stretches have to be in order, and must not overlap")
        return intervals

    def _interval(self, table_name: str, number: int, key: str, text: object) -> Interval:
        match = _STRETCH.fullmatch(text.strip()) if isinstance(text, str) else None
        if match is None:
            raise self._fault(table_name, number, key, f'{text!r} is no stretch of time such as "09:30-16:00"')
        start, end = (int(match[hour]) * 60 + int(match[hour + 1]) for hour in (1, 3))
        if max(int(match[2]), int(match[4])) >= 60 or max(start, end) > _MINUTES_OF_A_DAY:
            raise self._fault(table_name, number, key, f"{text!r} has a time that does not exist")
        return Interval(start if start < end else start - _MINUTES_OF_A_DAY, end)

    def _check_keys(self, table_name: str, number: int, table: Mapping[str, Any]) -> None:
        for key in table:
            if key not in _KEYS[table_name]:
                allowed = ", ".join(sorted(_KEYS[table_name]))
                raise self._fault(table_name, number, key, f"{key!r} is not known here; there may be {allowed}")

    def _fault(self, table_name: str, number: int, key: str, text: str) -> CalendarFileError:
        return CalendarFileError(f"{self._shown}, line {self._line(table_name, number, key)}: {text}")

    def _line(self, table_name: str, number: int, key: str) -> int:
        """Return the line of a key in the nth table of a name; that of the table's header where it has no such line."""
        current, seen, found = "", {"": 1}, 1
        for place, line in enumerate(self._lines, start=1):
            if header := _HEADER.fullmatch(line):
                current = header[1]
                seen[current] = seen.get(current, 0) + 1
                if (current, seen[current]) == (table_name, number + 1) or (not table_name and current == key):
                    found = place
            elif (current, seen[current]) == (table_name, number + 1) and key and line.lstrip().startswith(key):
                return place
        return found
