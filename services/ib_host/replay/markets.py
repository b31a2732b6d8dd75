"""The markets whose instruments are served, each with its hours."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from services.ib_host.replay.hours import MarketHours, ShortDays, Span
from services.ib_host.replay.market import NEW_YORK, NEW_YORK_ON_THE_WIRE
from services.ib_host.replay.us_calendar import (
    is_currency_session,
    is_futures_session,
    is_short_futures_session,
    is_short_stock_session,
    is_stock_session,
)

_CHICAGO = ZoneInfo("America/Chicago")
_CHICAGO_ON_THE_WIRE = "US/Central"

US_STOCK_HOURS = MarketHours(
    zone=NEW_YORK,
    zone_on_the_wire=NEW_YORK_ON_THE_WIRE,
    regular=Span.parse("09:30-16:00"),
    extended=Span.parse("04:00-20:00"),
    short_days=ShortDays(is_short_stock_session, Span.parse("09:30-13:00"), Span.parse("04:00-17:00")),
)
"""Of stocks in New York."""

US_INDEX_HOURS = MarketHours(
    zone=_CHICAGO,
    zone_on_the_wire=_CHICAGO_ON_THE_WIRE,
    regular=Span.parse("08:30-15:00"),
    extended=Span.parse("08:30-15:00"),
    short_days=ShortDays(is_short_stock_session, Span.parse("08:30-12:00"), Span.parse("08:30-12:00")),
)
"""Of stock indices, as the exchange in Chicago computes them."""

CURRENCY_HOURS = MarketHours(
    zone=NEW_YORK,
    zone_on_the_wire=NEW_YORK_ON_THE_WIRE,
    regular=Span.parse("17:15-17:00"),
    extended=Span.parse("17:15-17:00"),
)
"""Of currencies: from Sunday evening in New York to Friday evening, with a quarter of an hour between two sessions."""

FUTURES_HOURS = MarketHours(
    zone=_CHICAGO,
    zone_on_the_wire=_CHICAGO_ON_THE_WIRE,
    regular=Span.parse("08:30-15:00"),
    extended=Span.parse("17:00-16:00"),
    short_days=ShortDays(is_short_futures_session, Span.parse("08:30-12:00"), Span.parse("17:00-12:00")),
)
"""Of index futures: from Sunday evening in Chicago to Friday afternoon, with an hour between two sessions."""


@dataclass(frozen=True, slots=True)
class Market:
    """When instruments of one kind are traded.

    Attributes:
        hours: of a session.
        is_session: whether a day has one.
    """

    hours: MarketHours
    is_session: Callable[[date], bool]


MARKETS = {
    "STK": Market(US_STOCK_HOURS, is_stock_session),
    "IND": Market(US_INDEX_HOURS, is_stock_session),
    "CASH": Market(CURRENCY_HOURS, is_currency_session),
    "FUT": Market(FUTURES_HOURS, is_futures_session),
    "CONTFUT": Market(FUTURES_HOURS, is_futures_session),
}
"""By IB's code for the kind of instrument."""
