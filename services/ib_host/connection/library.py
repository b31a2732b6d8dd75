"""The one place that imports ib_insync, and the part of it that is used, typed.

ib_insync has no request that tells why it failed, and none that can be given up cleanly: errors, timeouts and missing
data all come back as an empty list. So requests are sent through its client and awaited on futures of our own beside
those it keeps (see requests/). What is touched of its inner state for that is touched here.
"""

import asyncio
import importlib
import logging
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from services.ib_host.store.columns import ReceivedBar


def _import_library() -> Any:
    """Import ib_insync, which asks for the event loop when it is imported.

    Asking outside a running loop is deprecated from Python 3.12 on (a warning, and so an error in tests), and would
    leave a loop open for nobody. It gets a loop that is closed again: only its thread-safe emit keeps it, and nobody
    calls that. Its log repeats what its events tell, at the level of errors where there are none, so it is not shown.
    """
    logger = logging.getLogger("ib_insync")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            try:
                return importlib.import_module("ib_insync")
            finally:
                asyncio.set_event_loop(None)
                loop.close()
        return importlib.import_module("ib_insync")


_LIBRARY: Any = _import_library()


class LibraryEvents(Protocol):
    """Who is told what the gateway says by itself."""

    def told(self, request_id: int, code: int, text: str) -> None:
        """An error or notice came; the id is -1 where it belongs to no request."""

    def lost(self) -> None:
        """The connection is gone."""

    def undecodable(self, fields: Sequence[str]) -> None:
        """A message came that makes no sense."""


class LibrarySession:
    """One life of a connection to a gateway.

    Args:
        events: told until the connection is lost. Kept alive by the caller.
    """

    def __init__(self, events: LibraryEvents) -> None:
        self._events = events
        self._ib: Any = _LIBRARY.IB()
        # The library's own reaction to a restored link (1102) is a request without an end, for values nobody needs.
        self._ib.errorEvent -= self._ib._onError  # noqa: SLF001 -- no other way to leave it out
        self._ib.errorEvent += self._on_error
        self._ib.disconnectedEvent += self._on_disconnected
        self._ib.client.conn.disconnected += self._on_socket_closed
        self._ib.client.decoder = _decoder(self._ib.wrapper, events.undecodable)

    async def connect(self, host: str, port: int, client_id: int, *, timeout_seconds: float) -> None:
        """Connect, readonly: orders are neither read nor sent.

        Args:
            host: name or address.
            port: of the gateway's API.
            client_id: number that no other client of the gateway uses.
            timeout_seconds: for each of the four stages.

        Raises:
            OSError: nobody listens, or the connection broke.
            TimeoutError: a stage had no answer; also what the library makes of a refusal.
        """
        _bind_loop()
        await self._ib.connectAsync(host, port, client_id, timeout_seconds, readonly=True)

    def disconnect(self) -> None:
        """Close the connection; nothing is told about that."""
        self._ib.errorEvent -= self._on_error
        self._ib.disconnectedEvent -= self._on_disconnected
        self._ib.client.conn.disconnected -= self._on_socket_closed
        if self._ib.client.isReady():
            self._ib.disconnect()
        else:
            self._ib.client.disconnect()

    @property
    def ready(self) -> bool:
        """Whether requests can be sent."""
        return bool(self._ib.client.isReady())

    @property
    def accounts(self) -> Sequence[str]:
        """The accounts that the gateway manages."""
        return tuple(self._ib.client.getAccounts())

    @property
    def server_version(self) -> int:
        """The version of the protocol that was agreed on."""
        return int(self._ib.client.serverVersion())

    def begin(self, contract: Any = None, *, key: str = "") -> tuple[int, "asyncio.Future[Any]"]:
        """Register a request.

        Args:
            contract: what it is about.
            key: the library's name for requests that have no id; the id returned is 0 then.

        Returns:
            The request's id, and the library's future of its answer: never an exception but a ConnectionError.
        """
        request_id = 0 if key else int(self._ib.client.getReqId())
        return request_id, self._ib.wrapper.startReq(key or request_id, contract)

    def forget(self, request_id: int, *, key: str = "") -> None:
        """Drop what is left of a request: a late answer finds nobody."""
        wrapper = self._ib.wrapper
        for table in (wrapper._futures, wrapper._results, wrapper._reqId2Contract):  # noqa: SLF001 -- see the module
            table.pop(key or request_id, None)

    def send_history(
        self,
        request_id: int,
        contract: Any,
        *,
        end: datetime | None,
        duration: str,
        setting: str,
        what: str,
        use_rth: bool,
    ) -> None:
        """Ask for bars. Times come back in UTC (date format 2); bars of a day or longer have dates in any case.

        Args:
            request_id: of `begin`.
            contract: what it is about.
            end: aware; None asks up to now, which is the only end that adjusted bars can have.
            duration: in IB's notation, such as "1 M".
            setting: the bars' size in IB's notation, such as "1 day".
            what: such as "TRADES".
            use_rth: of regular trading hours only.
        """
        end_text = _LIBRARY.util.formatIBDatetime(end)
        self._ib.client.reqHistoricalData(
            request_id, contract, end_text, duration, setting, what, use_rth, 2, False, []
        )  # fmt: skip

    def send_schedule(
        self, request_id: int, contract: Any, *, end: datetime | None, duration: str, use_rth: bool
    ) -> None:
        """Ask for an instrument's sessions: a request for history, and taken back like one.

        Read the answer with `received_sessions`.

        Args:
            request_id: of `begin`.
            contract: what it is about.
            end: aware; None asks up to now.
            duration: in IB's notation, in days or longer.
            use_rth: regular trading hours only.
        """
        self.send_history(
            request_id, contract, end=end, duration=duration, setting="1 day", what="SCHEDULE", use_rth=use_rth
        )

    def send_head_timestamp(self, request_id: int, contract: Any, *, what: str, use_rth: bool) -> None:
        """Ask when an instrument's history begins. Read the answer with `received_head`."""
        self._ib.client.reqHeadTimeStamp(request_id, contract, what, use_rth, 2)

    def cancel_head_timestamp(self, request_id: int) -> None:
        """Take a request for the begin of a history back."""
        self._ib.client.cancelHeadTimeStamp(request_id)

    def cancel_history(self, request_id: int) -> None:
        """Take a request for bars back."""
        self._ib.client.cancelHistoricalData(request_id)

    def send_contract_details(self, request_id: int, contract: Any) -> None:
        """Ask which contracts fit a description."""
        self._ib.client.reqContractDetails(request_id, contract)

    def send_matching_symbols(self, request_id: int, pattern: str) -> None:
        """Ask which instruments fit a pattern."""
        self._ib.client.reqMatchingSymbols(request_id, pattern)

    def send_current_time(self) -> None:
        """Ask what time it is for the gateway; the answer has the key "currentTime"."""
        self._ib.client.reqCurrentTime()

    def _on_error(self, request_id: int, code: int, text: str, _contract: Any) -> None:
        self._events.told(request_id, code, text)

    def _on_disconnected(self) -> None:
        self._events.lost()

    def _on_socket_closed(self, _message: str) -> None:
        self._events.lost()


def new_contract(**fields: str | int) -> Any:
    """Return a contract of the library with these fields."""
    return _LIBRARY.Contract(**fields)


def received_bars(answer: Any) -> Sequence[ReceivedBar]:
    """Return the bars of an answer to a request for history."""
    bars: Sequence[ReceivedBar] = answer
    return bars


class ReceivedSession(NamedTuple):
    """A session of an instrument.

    Attributes:
        start: its opening, UTC.
        end: its closing, UTC.
        date: which it counts for, at the exchange.
    """

    start: datetime
    end: datetime
    date: date


def received_sessions(answer: Any) -> Sequence[ReceivedSession]:
    """Return the sessions of an answer to a request for a schedule, in its order.

    Raises:
        ValueError: they can't be read, or are told in a zone that this machine does not know.
    """
    try:
        zone = ZoneInfo(answer.timeZone)
        return [
            ReceivedSession(
                _local(session.startDateTime, zone),
                _local(session.endDateTime, zone),
                datetime.strptime(session.refDate, "%Y%m%d").replace(tzinfo=UTC).date(),
            )
            for session in answer.sessions
        ]
    except (AttributeError, KeyError, OSError, TypeError) as error:
        message = f"the schedule can't be read: {error}"
        raise ValueError(message) from error


def received_head(answer: Any) -> datetime:
    """Return the instant (UTC) of an answer to a request for the begin of a history.

    Raises:
        ValueError: it can't be read.
    """
    if not isinstance(answer, datetime):
        message = f"{answer!r} is no time at which a history begins"
        raise ValueError(message)  # noqa: TRY004 -- what a gateway sends is a value; its type is the library's choice
    return answer.replace(tzinfo=UTC) if answer.tzinfo is None else answer.astimezone(UTC)


def _local(text: str, zone: ZoneInfo) -> datetime:
    return datetime.strptime(text, "%Y%m%d-%H:%M:%S").replace(tzinfo=zone).astimezone(UTC)


def _decoder(wrapper: Any, report: Callable[[Sequence[str]], None]) -> Any:
    """Return a decoder that reports what it can't decode, instead of only logging it."""
    decoder = _LIBRARY.client.Decoder(wrapper, 0)

    def interpret(fields: Sequence[str]) -> None:
        try:
            handler = decoder.handlers[int(fields[0])]
            handler(fields)
        except Exception:
            report(fields)

    decoder.interpret = interpret
    return decoder


def _bind_loop() -> None:
    """Make the running loop the policy's: the library asks the policy, and some ways to run a loop don't tell it."""
    running = asyncio.get_running_loop()
    try:
        known = asyncio.get_event_loop_policy().get_event_loop()
    except RuntimeError:
        known = None
    if known is not running:
        asyncio.set_event_loop(running)
