"""The instruments of made-up bars: stocks, currencies, indices and futures, told apart by how they are written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from services.ib_host.replay.instruments import Instrument, con_id, instruments
from services.ib_host.replay.markets import MARKETS

_CURRENCIES = frozenset(
    {
        *("AUD", "CAD", "CHF", "CNH", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS"),
        *("JPY", "MXN", "NOK", "NZD", "PLN", "SEK", "SGD", "TRY", "USD", "ZAR"),
    }
)
_MONTH_CODES = {3: "H", 6: "M", 9: "U", 12: "Z"}
_FRIDAY = 4
_LISTED_BEFORE_EXPIRY = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class _FutureKind:
    name: str
    exchange: str
    multiplier: str


_FUTURES = {
    "ES": _FutureKind("E-mini S&P 500", "CME", "50"),
    "NQ": _FutureKind("E-mini NASDAQ 100", "CME", "20"),
    "RTY": _FutureKind("E-Mini Russell 2000 Index", "CME", "50"),
    "YM": _FutureKind("Mini Sized Dow Jones Industrial Average $5", "CBOT", "5"),
}


def security_type_of(name: str) -> str:
    """Return IB's code for the kind of instrument that `AAPL`, `EUR.USD`, `ES.FUT` or `SPX.IND` is."""
    first, _, last = name.partition(".")
    if last in {"FUT", "IND"}:
        return last
    return "CASH" if {first, last} <= _CURRENCIES and first != last else "STK"


def generated_instruments(names: Sequence[str], start: date, days: int) -> Mapping[str, Instrument]:
    """Return the instruments of names by their symbol in the history.

    Of a future, these are its contracts and the continuous one.

    Args:
        names: as `security_type_of` takes them.
        start: no session before it.
        days: number of sessions.
    """
    known: dict[str, Instrument] = {}
    for name in names:
        symbol, _, last = name.partition(".")
        match security_type_of(name):
            case "CASH":
                known[name] = _currency(name, symbol, last)
            case "IND":
                known[symbol] = _index(symbol)
            case "FUT":
                sessions = sessions_of("FUT", start, days)
                for expiry in expiries(sessions[0], sessions[-1] + _LISTED_BEFORE_EXPIRY):
                    contract = _future(symbol, expiry)
                    known[contract.key] = contract
                known[symbol] = _future(symbol, None)
            case _:
                known |= instruments([name])
    return known


def sessions_of(security_type: str, start: date, count: int) -> Sequence[date]:
    """Return so many sessions of a kind of instrument from a day on."""
    is_session, sessions = MARKETS[security_type].is_session, list[date]()
    while len(sessions) < count:
        if is_session(start):
            sessions.append(start)
        start += timedelta(days=1)
    return sessions


def expiries(first: date, last: date) -> Sequence[date]:
    """Return the days from `first` to `last` on which quarterly contracts expire: the third Friday of the month."""
    quarters = [(year, month) for year in range(first.year, last.year + 1) for month in _MONTH_CODES]
    days = [_third_friday(year, month) for year, month in quarters]
    return [day for day in days if first <= day <= last]


def is_listed(expiry: date, day: date) -> bool:
    """Tell whether a contract is traded on a session: in the year up to its expiry."""
    return expiry - _LISTED_BEFORE_EXPIRY < day <= expiry


def _third_friday(year: int, month: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(_FRIDAY - first.weekday()) % 7 + 14)


def _currency(name: str, symbol: str, currency: str) -> Instrument:
    return Instrument(
        con_id=con_id(name),
        symbol=symbol,
        name=f"{symbol} in {currency}",
        primary_exchange="IDEALPRO",
        trading_class=name,
        currency=currency,
        security_type="CASH",
        hours=MARKETS["CASH"].hours,
        local_symbol=name,
        min_tick=0.00005,
        key=name,
    )


def _index(symbol: str) -> Instrument:
    return Instrument(
        con_id=con_id(f"{symbol}.IND"),
        symbol=symbol,
        name=f"{symbol} INDEX",
        primary_exchange="CBOE",
        trading_class=symbol,
        security_type="IND",
        hours=MARKETS["IND"].hours,
    )


def _future(symbol: str, expiry: date | None) -> Instrument:
    """Return a contract; the continuous future where there is no expiry."""
    kind = _FUTURES.get(symbol, _FutureKind(symbol, "CME", "50"))
    local_symbol = f"{symbol}{_MONTH_CODES[expiry.month]}{expiry.year % 10}" if expiry else symbol
    return Instrument(
        con_id=con_id(f"{symbol}.{expiry or 'CONTFUT'}"),
        symbol=symbol,
        name=kind.name,
        primary_exchange=kind.exchange,
        trading_class=symbol,
        security_type="FUT" if expiry else "CONTFUT",
        hours=MARKETS["FUT"].hours,
        local_symbol=local_symbol,
        expiry=expiry,
        multiplier=kind.multiplier,
        min_tick=0.25,
        key=local_symbol,
    )
