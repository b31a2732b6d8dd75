"""Which calendar is true for a dataset."""

from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from ktrdr.ib.v1 import bars_pb2

from services.ib_host.sessions.exchange_calendar import ExchangeCalendar
from services.ib_host.sessions.exchanges import exchange_code
from services.ib_host.sessions.forex import forex_calendar
from services.ib_host.sessions.kept_hours import KeptHours
from services.ib_host.sessions.kept_schedule import KeptSchedule, ScheduleCalendar
from services.ib_host.sessions.override import OverrideCalendar
from services.ib_host.sessions.override_file import CalendarFileError, Overrides, read_overrides
from services.ib_host.sessions.session import CalendarUnavailableError, NoCalendar, SessionCalendar
from services.ib_host.sessions.weekly import WeeklyCalendar
from services.ib_host.sessions.zones import zone_of
from services.ib_host.store.identity import bar_length

FOLDER: Final = PurePath("data/calendars")
"""Where override files lie in a home."""

_NEW_YORK: Final = "XNYS"
_ANY: Final = frozenset({"", "SMART"})
_DOLLARS: Final = frozenset({"", "USD"})


def calendar_for(home: Path, folder: Path, key: bars_pb2.DatasetKey) -> SessionCalendar | None:
    """Return the calendar of a dataset; None: nothing is known of its sessions.

    An override file counts first. Below it, for stocks: the calendar of their exchange, then what the gateway told. For
    anything else, whose hours depend on the contract: what the gateway told, then the days of the exchange's calendar.

    Args:
        home: the KTRDR home.
        folder: of the dataset.
        key: complete.

    Returns:
        A `NoCalendar` where an override file has a fault, or can't be used: its name says why.
    """
    try:
        below = _below(folder, key)
        for path in _override_files(key):
            overrides = read_overrides(home / path, shown=path.as_posix())
            if overrides is not None:
                return _with_overrides(overrides, below, key, shown=path.as_posix())
    except (CalendarFileError, CalendarUnavailableError) as error:
        return NoCalendar(str(error))
    return below


def knows_exchange(key: bars_pb2.DatasetKey) -> bool:
    """Tell whether the sessions of a dataset are known without asking the gateway."""
    return _stock_code(key) is not None


def _below(folder: Path, key: bars_pb2.DatasetKey) -> SessionCalendar | None:
    code = _stock_code(key)
    if code is not None:
        return ExchangeCalendar(code, extended=not key.use_rth)
    others = _not_told(folder, key)
    schedule = KeptSchedule.load(folder)
    zone = zone_of(schedule.time_zone) if schedule else None
    if schedule and schedule.sessions and zone:
        return ScheduleCalendar(schedule, zone, others)
    return others


def _not_told(folder: Path, key: bars_pb2.DatasetKey) -> SessionCalendar | None:
    """Return the calendar for times for which the gateway told no sessions."""
    instrument = key.instrument
    code = exchange_code(instrument.primary_exchange) or exchange_code(instrument.exchange)
    # The library knows on which days futures and indices are traded, but not the hours of each.
    if code is not None and bar_length(key).dated:
        return ExchangeCalendar(code, extended=not key.use_rth)
    hours = KeptHours.load(folder)
    told = hours.calendar(key) if hours else None
    if told is None and instrument.security_type == bars_pb2.SECURITY_TYPE_FOREX:
        return forex_calendar()
    return told


def _stock_code(key: bars_pb2.DatasetKey) -> str | None:
    instrument = key.instrument
    if instrument.security_type not in {bars_pb2.SECURITY_TYPE_STOCK, bars_pb2.SECURITY_TYPE_UNSPECIFIED}:
        return None
    code = exchange_code(instrument.primary_exchange) or exchange_code(instrument.exchange)
    # Imported bars often come without an exchange. In dollars, they are most likely of New York.
    if (
        code is None
        and not instrument.primary_exchange
        and instrument.exchange in _ANY
        and instrument.currency in _DOLLARS
    ):
        return _NEW_YORK
    return code


def _override_files(key: bars_pb2.DatasetKey) -> Iterator[PurePath]:
    """Yield the files that may exist, the one that counts first."""
    instrument = key.instrument
    currency = instrument.security_type == bars_pb2.SECURITY_TYPE_FOREX
    symbols = (instrument.local_symbol, f"{instrument.symbol}.{instrument.currency}" if currency else instrument.symbol)
    for name in filter(None, symbols):
        yield FOLDER / "symbols" / f"{quote(name, safe=' ')}.toml"
    for name in filter(None, (instrument.primary_exchange, instrument.exchange)):
        yield FOLDER / f"{quote(name.upper(), safe=' ')}.toml"


def _with_overrides(
    overrides: Overrides, below: SessionCalendar | None, key: bars_pb2.DatasetKey, *, shown: str
) -> SessionCalendar:
    zone: ZoneInfo | None = overrides.zone or (below.zone if below else None) or zone_of(key.instrument.time_zone)
    if zone is None:
        message = (
            f'{shown} has no zone, and none is known otherwise: begin it with a line such as zone = "Europe/Paris"'
        )
        raise CalendarFileError(message)
    if overrides.week is not None:
        every = overrides.all_week if not key.use_rth else None
        week = WeeklyCalendar(f"[week] of {shown}", zone, overrides.week, every)
        return OverrideCalendar(overrides, week, zone=zone, shown=shown, extended=not key.use_rth)
    return OverrideCalendar(overrides, below, zone=zone, shown=shown, extended=not key.use_rth)
