"""Bars and where they begin."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from services.ib_host.replay.bars import (
    INTRADAY_BAR_SIZES,
    LEGAL_BAR_SIZES,
    RECORDED_BAR_SIZES,
    BarSize,
    IntradaySize,
    Size,
)
from services.ib_host.replay.contract_query import ContractQuery
from services.ib_host.replay.durations import Duration
from services.ib_host.replay.end_dates import EndDate, parse_end_date
from services.ib_host.replay.errors import (
    RequestRefused,
    ambiguous_contract,
    duplicate_query,
    end_date_for_continuous_future,
    illegal_bar_size,
    invalid_end_date,
    invalid_request,
    invalid_step,
    no_data,
    no_trades,
    query_cancelled,
    unknown_contract,
    unknown_query,
    zone_missing,
)
from services.ib_host.replay.fields import FieldReader
from services.ib_host.replay.gateway import Gateway
from services.ib_host.replay.instruments import Instrument
from services.ib_host.replay.schedule import sessions_in
from services.ib_host.replay.served_history import KINDS, View
from services.ib_host.replay.session import Session
from services.ib_host.replay.wire import Fields, Wire

_NOT_RECORDED = ("BID_ASK", "HISTORICAL_VOLATILITY", "OPTION_IMPLIED_VOLATILITY", "FEE_RATE", "AGGTRADES")
_LONGEST_IN_DAYS = 365
_SHORT_BAR_SECONDS = 30
_SHORT_BARS_KEPT = timedelta(days=183)

SCHEDULE = "SCHEDULE"
"""Sessions instead of bars."""


@dataclass(frozen=True, slots=True)
class HistoricalRequest:
    """Message 20."""

    contract: ContractQuery
    end_date: str
    bar_size: str
    duration: str
    use_rth: bool
    what: str
    date_format: int
    keep_up_to_date: bool

    @classmethod
    def read(cls, fields: FieldReader) -> "HistoricalRequest":
        """Read what follows the request id."""
        contract = ContractQuery.read(fields)
        end_date, bar_size, duration = fields.text(), fields.text(), fields.text()
        use_rth, what, date_format = fields.flag(), fields.text(), fields.integer()
        if contract.security_type == "BAG":
            fields.skip(4 * fields.integer())
        return cls(contract, end_date, bar_size, duration, use_rth, what, date_format, fields.flag())


@dataclass(frozen=True, slots=True)
class Window:
    """A request that has passed all checks."""

    instrument: Instrument
    exchange: str
    view: View
    duration: Duration
    end: EndDate
    date_format: int
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
        if instrument.security_type == "CONTFUT" and request.end_date:
            raise end_date_for_continuous_future()
        size = self._bar_size(instrument, request.bar_size)
        duration = _duration(request.duration)
        if request.what not in (*KINDS, SCHEDULE, *_NOT_RECORDED):
            raise invalid_request(f"{request.what!r} is not something to show: use one of {', '.join(KINDS)}")
        end = parse_end_date(request.end_date, self._gateway.clock.now())
        if end is None:
            raise invalid_end_date()
        if request.end_date and request.what == "ADJUSTED_LAST":
            raise invalid_request("End Date not supported with adjusted last")
        if request.end_date and request.keep_up_to_date:
            raise invalid_request("End Date must be empty for an up-to-date query")
        if duration.calendar_days < size.calendar_days or _is_too_old(size, end.instant, self._gateway.clock.now()):
            raise invalid_step(request.bar_size)
        if request.what == SCHEDULE and size is not BarSize.DAY:
            raise invalid_request("Only a bar size of 1 day is supported with SCHEDULE")
        if request.what in {"TRADES", "ADJUSTED_LAST"} and not instrument.has_trades:
            raise no_trades(instrument.symbol, instrument.security_type, request.bar_size)
        return Window(
            instrument=instrument,
            exchange=request.contract.exchange,
            view=View(size, request.what, request.use_rth),
            duration=duration,
            end=end,
            date_format=request.date_format,
            keep_up_to_date=request.keep_up_to_date,
        )

    async def _answer(self, session: Session, request_id: int, window: Window) -> None:
        await self._gateway.wall_clock.sleep(self._gateway.latency.next_seconds())
        try:
            answer = self._answer_fields(session.wire, request_id, window)
        except RequestRefused as refusal:
            session.refuse(request_id, refusal)
            return
        session.connection.send(answer)
        if window.keep_up_to_date:
            session.queries.keep(request_id)

    def _answer_fields(self, wire: Wire, request_id: int, window: Window) -> Fields:
        history, now = self._gateway.history, self._gateway.clock.now()
        symbol = window.instrument.history_key
        hours, what = window.instrument.hours, window.view.what
        if what == SCHEDULE:
            end = window.end.instant
            start, sessions = sessions_in(
                history.sessions(symbol), hours, window.duration, end=end, use_rth=window.view.use_rth
            )
            if sessions:
                return wire.schedule(request_id, start, end, sessions, hours)
        elif what in KINDS:
            end = min(window.end.instant, now)
            start, bars = history.window(symbol, window.view, window.duration, end=end, as_of=now)
            if bars:
                return wire.historical_data(request_id, start, end, bars, hours=hours, date_format=window.date_format)
        raise no_data(window.instrument.local_name, window.exchange, what)

    def _bar_size(self, instrument: Instrument, text: str) -> Size:
        size = RECORDED_BAR_SIZES.get(text) or INTRADAY_BAR_SIZES.get(text)
        if size is None:
            raise illegal_bar_size(LEGAL_BAR_SIZES)
        if refusal := self._gateway.history.refusal(instrument.history_key, size):
            raise invalid_request(f"{refusal} instead of {text}")
        return size


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
        """Answer with message 88: where the first session begins.

        Raises:
            RequestRefused: 162, there is no such history; 200 or 321, the request is not valid.
        """
        request_id = fields.read_request_id()
        query = ContractQuery.read(fields)
        use_rth, what, date_format = fields.flag(), fields.text(), fields.integer()
        instrument = find_one(query, self._gateway)
        is_kept = what in KINDS and (what not in {"TRADES", "ADJUSTED_LAST"} or instrument.has_trades)
        first = self._gateway.history.head(instrument.history_key, what, use_rth=use_rth) if is_kept else None
        if first is None or first > self._gateway.clock.now():
            raise no_data(instrument.local_name, query.exchange, what)
        session.head_timestamps.add(request_id)
        session.connection.send(session.wire.head_timestamp(request_id, first, date_format))


class CancelHeadTimestamp:
    """Ends a request for a head timestamp, which counts as open until then; there is no answer."""

    def handle(self, session: Session, fields: FieldReader) -> None:
        """Forget the request."""
        session.head_timestamps.discard(fields.read_request_id())


def find_one(query: ContractQuery, gateway: Gateway) -> Instrument:
    """Return the one instrument that a request for data means.

    Raises:
        RequestRefused: 200, there is none, or several; 321, the description is not complete.
    """
    if not query.exchange:
        raise invalid_request("Please enter exchange")
    found = query.find(gateway.instruments.values(), gateway.clock.now().date())
    if not found:
        raise unknown_contract()
    if len(found) > 1:
        raise ambiguous_contract(query.symbol or query.local_symbol)
    return found[0]


def _is_too_old(size: Size, end: datetime, now: datetime) -> bool:
    """Tell whether bars are short and end longer ago than IB keeps such."""
    return isinstance(size, IntradaySize) and size.seconds <= _SHORT_BAR_SECONDS and end < now - _SHORT_BARS_KEPT


def _duration(text: str) -> Duration:
    duration = Duration.parse(text)
    if duration is None:
        raise invalid_request(
            f"Historical data duration {text!r} is invalid: a number, a blank, and one of S, D, W, M, Y"
        )
    if duration.unit == "D" and duration.count > _LONGEST_IN_DAYS:
        raise invalid_request("Historical data requests for durations longer than 365 days must be made in years.")
    return duration
