"""From the times in files to instants: ISO texts, dates, epochs, times of a zone."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ktrdr_client.bar_formats.faults import RowFaults

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
EARLIEST_US: Final = -2_208_988_800_000_000
"""1900-01-01: no bar is older, and what comes out older was no number of seconds."""
LATEST_US: Final = 4_102_444_800_000_000
"""2100-01-01."""


def parse_zone(name: str) -> tzinfo:
    """Return the time zone of an IANA name.

    Raises:
        ValueError: There is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f"there is no time zone {name!r}; write its IANA name, such as America/New_York or UTC"
        raise ValueError(message) from None


class InstantReader:
    """Reads times, row by row in the order of the file.

    Args:
        zone: Zone of times that say none, and of the dates of daily bars; None: UTC.
        dates: The bars are daily or longer: only the date counts, at its midnight UTC.
        time_format: How times are written, as `strptime` has it; empty: ISO 8601, or seconds since 1970.
    """

    def __init__(self, *, zone: tzinfo | None, dates: bool, time_format: str = "") -> None:
        self._zone = zone
        self._dates = dates
        self._format = time_format
        self._latest: datetime | None = None
        self.assumed_utc = False
        """Some times said no zone, none was given, and they are no dates."""

    def read(self, texts: Iterable[str | None], faults: RowFaults) -> list[int]:
        """Return microseconds since 1970 UTC of each text; 0 where there is a fault."""
        found = []
        for row, text in enumerate(texts):
            try:
                found.append(self.instant_us(text or ""))
            except ValueError as error:
                faults.add(row, f"time: {error}")
                found.append(0)
        return found

    def instant_us(self, text: str) -> int:
        """Return the microseconds since 1970 UTC that a text names.

        Raises:
            ValueError: It is no time.
        """
        moment = self._moment(text.strip())
        return in_bounds((self._placed(moment) - _EPOCH) // _MICROSECOND, text)

    def _moment(self, text: str) -> datetime:
        if self._format:
            return datetime.strptime(text, self._format)  # noqa: DTZ007 - the zone comes later where the format has none
        if re.fullmatch(r"-?\d{9,}(\.\d+)?", text):
            whole, _, _ = text.partition(".")
            return _EPOCH + timedelta(microseconds=epoch_us(int(whole)))
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            return _with_zone_name(text)

    def _placed(self, moment: datetime) -> datetime:
        if self._dates:
            if self._zone is not None and moment.tzinfo is not None:
                moment = moment.astimezone(self._zone)
            return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
        if moment.tzinfo is not None:
            return moment
        if self._zone is None:
            self.assumed_utc = True
            return moment.replace(tzinfo=UTC)
        return self._local(moment, self._zone)

    def _local(self, moment: datetime, zone: tzinfo) -> datetime:
        """Place a time of a zone. An hour that comes twice is the second one when the rows have passed the first."""
        first = moment.replace(tzinfo=zone).astimezone(UTC)
        second = moment.replace(tzinfo=zone, fold=1).astimezone(UTC)
        if second < first:  # the clocks went forward: the later reading comes out earlier
            message = f"{moment.isoformat(' ')} does not exist in {zone}: the clocks went forward over it"
            raise ValueError(message)
        placed = second if self._latest is not None and first <= self._latest else first
        self._latest = placed
        return placed


def epoch_us(number: int) -> int:
    """Return microseconds since 1970 from seconds, milliseconds, microseconds or nanoseconds: the size tells which."""
    size = abs(number)
    if size < 100_000_000_000:
        return number * 1_000_000
    if size < 100_000_000_000_000:
        return number * 1_000
    return number if size < 100_000_000_000_000_000 else number // 1_000


def in_bounds(instant_us: int, text: object) -> int:
    """Return an instant that a bar can have.

    Raises:
        ValueError: It is before 1900 or after 2100.
    """
    if not EARLIEST_US <= instant_us < LATEST_US:
        message = f"{text!s} is not between 1900 and 2100"
        raise ValueError(message)
    return instant_us


def _with_zone_name(text: str) -> datetime:
    """Read a time with the name of its zone behind it: "20250321 09:30:00 US/Eastern"."""
    front, _, name = text.rpartition(" ")
    try:
        return datetime.fromisoformat(front).replace(tzinfo=parse_zone(name))
    except ValueError:
        message = (
            f"{text!r} is no time that is understood; write 2000-03-01, 2000-03-01T14:30:00Z or seconds since 1970, "
            "or say how it is written (time format: %d/%m/%Y %H:%M)"
        )
        raise ValueError(message) from None


def repeated(instants: Sequence[int]) -> list[int]:
    """Return the rows whose instant an earlier row has."""
    seen: set[int] = set()
    found = []
    for row, instant in enumerate(instants):
        if instant in seen:
            found.append(row)
        seen.add(instant)
    return found
