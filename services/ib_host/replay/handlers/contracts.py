"""Finding contracts."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, timedelta

from services.ib_host.replay.contract_query import ContractQuery
from services.ib_host.replay.errors import unknown_contract
from services.ib_host.replay.fields import FieldReader
from services.ib_host.replay.gateway import Gateway
from services.ib_host.replay.hours import MarketHours
from services.ib_host.replay.instruments import Instrument
from services.ib_host.replay.markets import MARKETS, Market
from services.ib_host.replay.session import Session
from services.ib_host.replay.wire import TradingHours

_DAYS_OF_HOURS = 6
_MOST_SAMPLES = 16
_DAY = timedelta(days=1)


class ContractDetails:
    """Describes every contract that fits a request."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def handle(self, session: Session, fields: FieldReader) -> None:
        """Answer with message 10 for each contract, then 52.

        A stock that is asked for by symbol, without an exchange, fits once for each of its exchanges.

        Raises:
            RequestRefused: 200, no contract fits.
        """
        fields.skip()
        request_id = fields.read_request_id()
        query = ContractQuery.read(fields)
        found = query.find(self._gateway.instruments.values(), self._gateway.clock.now().date())
        if not found:
            raise unknown_contract()
        for instrument in found:
            hours = self._hours(instrument)
            for exchange in _exchanges(query, instrument):
                session.connection.send(session.wire.contract_data(request_id, instrument, exchange, hours))
        session.connection.send(session.wire.contract_data_end(request_id))

    def _hours(self, instrument: Instrument) -> TradingHours:
        hours = instrument.hours
        today = hours.session_of(self._gateway.clock.now())
        days = [today + timedelta(days=n) for n in range(_DAYS_OF_HOURS)]
        market = MARKETS.get(instrument.security_type, MARKETS["STK"])
        sessions = self._gateway.history.sessions(instrument.history_key)
        traded = frozenset(day for day in days if _is_session(day, sessions, market, instrument.expiry))
        return TradingHours(
            trading=_on_the_wire(days, traded, hours, regular=False),
            liquid=_on_the_wire(days, traded, hours, regular=True),
        )


class MatchingSymbols:
    """Finds instruments by the beginning of their symbol or of a word of their name.

    A future is found once for all its contracts.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def handle(self, session: Session, fields: FieldReader) -> None:
        """Answer with message 79, at most 16 instruments; those whose symbol fits come first."""
        request_id = fields.read_request_id()
        pattern = fields.text().strip().upper()
        found = sorted(
            (
                replace(instrument, security_type="FUT") if instrument.security_type == "CONTFUT" else instrument
                for instrument in self._gateway.instruments.values()
                if instrument.expiry is None and _matches(instrument, pattern)
            ),
            key=lambda instrument: (not instrument.symbol.startswith(pattern), instrument.symbol),
        )
        session.connection.send(session.wire.symbol_samples(request_id, found[:_MOST_SAMPLES]))


def _matches(instrument: Instrument, pattern: str) -> bool:
    return bool(pattern) and any(
        word.startswith(pattern) for word in (instrument.symbol, *instrument.name.upper().split())
    )


def _exchanges(query: ContractQuery, instrument: Instrument) -> Sequence[str]:
    if query.exchange:
        return [query.exchange]
    return instrument.exchanges[:1] if query.con_id else instrument.exchanges


def _on_the_wire(days: Sequence[date], traded: Collection[date], hours: MarketHours, *, regular: bool) -> str:
    """Return the hours of days; one on whose evening the next session begins is not called closed."""
    parts = []
    for day in days:
        if day in traded:
            parts.append(hours.span(day, regular=regular).on_the_wire(day))
        elif day + _DAY not in traded or hours.span(day + _DAY, regular=regular).opens >= 0:
            parts.append(f"{day:%Y%m%d}:CLOSED")
    return ";".join(parts)


def _is_session(day: date, sessions: Sequence[date], market: Market, expiry: date | None) -> bool:
    """Tell whether an instrument trades on a day; outside the recorded days the calendar of its market counts."""
    if sessions[0] <= day <= sessions[-1]:
        return day in sessions
    return market.is_session(day) and (expiry is None or day <= expiry)
