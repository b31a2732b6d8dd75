"""Bars and where they begin."""

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.ib_host.replay.bars import LEGAL_BAR_SIZES, RECORDED_BAR_SIZES, Bar, BarSize
from services.ib_host.replay.contract_query import ContractQuery
from services.ib_host.replay.durations import Duration
from services.ib_host.replay.end_dates import EndDate, parse_end_date
from services.ib_host.replay.errors import (
    RequestRefused,
    duplicate_query,
    illegal_bar_size,
    invalid_end_date,
    invalid_request,
    invalid_step,
    no_data,
    query_cancelled,
    unknown_contract,
    unknown_query,
    zone_missing,
)
from services.ib_host.replay.fields import FieldReader
from services.ib_host.replay.gateway import Gateway
from services.ib_host.replay.history import KINDS
from services.ib_host.replay.instruments import Instrument
from services.ib_host.replay.market import session_close, session_open
from services.ib_host.replay.session import Session

_NOT_RECORDED = ("BID_ASK", "HISTORICAL_VOLATILITY", "OPTION_IMPLIED_VOLATILITY", "FEE_RATE", "SCHEDULE", "AGGTRADES")
_LONGEST_IN_DAYS = 365


@dataclass(frozen=True, slots=True)
class HistoricalRequest:
    """Message 20; bars of a day or longer are the same in and outside regular hours, and always dated."""

    contract: ContractQuery
    end_date: str
    bar_size: str
    duration: str
    what: str
    keep_up_to_date: bool

    @classmethod
    def read(cls, fields: FieldReader) -> "HistoricalRequest":
        """Read what follows the request id."""
        contract = ContractQuery.read(fields)
        end_date, bar_size, duration = fields.text(), fields.text(), fields.text()
        fields.skip()  # regular hours only
        what = fields.text()
        fields.skip()  # date format
        if contract.security_type == "BAG":
            fields.skip(4 * fields.integer())
        return cls(contract, end_date, bar_size, duration, what, fields.flag())


@dataclass(frozen=True, slots=True)
class Window:
    """A request that has passed all checks."""

    instrument: Instrument
    exchange: str
    size: BarSize
    what: str
    duration: Duration
    end: EndDate
    keep_up_to_date: bool


class HistoricalData:
    """Answers requests for bars."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def handle(self, session: Session, fields: FieldReader) -> None:
        """Check the request, and open a query that will be answered after the gateway's latency.

        Raises:
            RequestRefused: the request is not valid.
        """
        request_id = fields.read_request_id()
        request = HistoricalRequest.read(fields)
        if request_id in session.queries:
            raise duplicate_query()
        window = self._check(request)
        if not window.end.zone_given:
            session.refuse(request_id, zone_missing())
        session.queries.start(request_id, self._answer(session, request_id, window))

    def _check(self, request: HistoricalRequest) -> Window:
        instrument = find_one(request.contract, self._gateway)
        size = _bar_size(request.bar_size)
        duration = _duration(request.duration)
        if request.what not in (*KINDS, *_NOT_RECORDED):
            raise invalid_request(f"{request.what!r} is not something to show: use one of {', '.join(KINDS)}")
        end = parse_end_date(request.end_date, self._gateway.clock.now())
        if end is None:
            raise invalid_end_date()
        if request.end_date and request.what == "ADJUSTED_LAST":
            raise invalid_request("End Date not supported with adjusted last")
        if request.end_date and request.keep_up_to_date:
            raise invalid_request("End Date must be empty for an up-to-date query")
        if duration.calendar_days < size.value:
            raise invalid_step(request.bar_size)
        return Window(
            instrument, request.contract.exchange, size, request.what, duration, end, request.keep_up_to_date
        )  # fmt: skip

    async def _answer(self, session: Session, request_id: int, window: Window) -> None:
        await asyncio.sleep(self._gateway.latency.total_seconds())
        try:
            start, end, bars = self._bars(window)
        except RequestRefused as refusal:
            session.refuse(request_id, refusal)
            return
        session.connection.send(session.wire.historical_data(request_id, start, end, bars))
        if window.keep_up_to_date:
            session.queries.keep(request_id)

    def _bars(self, window: Window) -> tuple[datetime, datetime, Sequence[Bar]]:
        history, now, symbol = self._gateway.history, self._gateway.clock.now(), window.instrument.symbol
        end = min(window.end.instant, now)
        start = window.duration.start(end, history.sessions(symbol))
        bars: Sequence[Bar] = ()
        if window.what in KINDS:
            until_end = history.bars_until(symbol, window.size, window.what, end=end, as_of=now)
            bars = until_end[bisect_right(until_end, start, key=lambda bar: session_close(bar.session)) :]
        if not bars:
            raise no_data(symbol, window.exchange, window.what)
        return start, end, bars


class CancelHistoricalData:
    """Ends a query that has not been answered."""

    def handle(self, session: Session, fields: FieldReader) -> None:
        """Confirm with error 162.

        Raises:
            RequestRefused: 366, the query is not open (any more).
        """
        fields.skip()
        request_id = fields.read_request_id()
        if not session.queries.cancel(request_id):
            raise unknown_query(request_id)
        session.refuse(request_id, query_cancelled(request_id))


class HeadTimestamp:
    """Tells when a contract's history begins."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def handle(self, session: Session, fields: FieldReader) -> None:
        """Answer with message 88: the opening of the first recorded session.

        Raises:
            RequestRefused: 162, there is no such history; 200 or 321, the request is not valid.
        """
        request_id = fields.read_request_id()
        query = ContractQuery.read(fields)
        fields.skip()  # regular hours only
        what, date_format = fields.text(), fields.integer()
        instrument = find_one(query, self._gateway)
        first = session_open(self._gateway.history.sessions(instrument.symbol)[0])
        if what not in KINDS or first > self._gateway.clock.now():
            raise no_data(instrument.symbol, query.exchange, what)
        session.connection.send(session.wire.head_timestamp(request_id, first, date_format))


def find_one(query: ContractQuery, gateway: Gateway) -> Instrument:
    """Return the one instrument that a request for data means.

    Raises:
        RequestRefused: 200, there is none, or several; 321, the description is not complete.
    """
    if not query.exchange:
        raise invalid_request("Please enter exchange")
    found = query.find(gateway.instruments.values())
    if len(found) != 1:
        raise unknown_contract()
    return found[0]


def _bar_size(text: str) -> BarSize:
    if text in RECORDED_BAR_SIZES:
        return RECORDED_BAR_SIZES[text]
    if text in LEGAL_BAR_SIZES:
        raise invalid_request(f"Only daily history was recorded: use 1 day, 1W or 1M instead of {text}")
    raise illegal_bar_size(LEGAL_BAR_SIZES)


def _duration(text: str) -> Duration:
    duration = Duration.parse(text)
    if duration is None:
        raise invalid_request(
            f"Historical data duration {text!r} is invalid: a number, a blank, and one of S, D, W, M, Y"
        )
    if duration.unit == "D" and duration.count > _LONGEST_IN_DAYS:
        raise invalid_request("Historical data requests for durations longer than 365 days must be made in years.")
    return duration
