"""One life of a connection, over the client library.

The libraries have no request that tells why it failed, and none that can be given up cleanly: errors, timeouts and
missing data all come back as an empty list. So requests are sent through the library's client and awaited on futures of
our own beside those it keeps (see requests/). What is touched of its inner state for that is touched here.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from services.ib_host.connection.library.decoding import StrictDecoder
from services.ib_host.connection.library.installed import IS_IB_ASYNC, LIBRARY

_INVALID_REQUEST: Final = 321
_LENGTH_BYTES: Final = 4
_LONGEST_MESSAGE: Final = 0xFFFFFF
"""IB's own clients take no longer one."""


class LibraryEvents(Protocol):
    """Who is told what the gateway says by itself."""

    def told(self, request_id: int, code: int, text: str) -> None:
        """An error or notice came; the id is -1 where it belongs to no request."""

    def lost(self) -> None:
        """The connection is gone."""

    def undecodable(self, fields: Sequence[str]) -> None:
        """A message came that makes no sense."""

    def out_of_step(self, length: int) -> None:
        """A message of an impossible length (in bytes) was announced: nothing after it can be decoded."""


class LibrarySession:
    """One life of a connection to a gateway.

    Args:
        events: told until the connection is lost. Kept alive by the caller.
    """

    def __init__(self, events: LibraryEvents) -> None:
        self._events = events
        self._ib: Any = LIBRARY.IB()
        # The library's own reaction to a restored link (1102) is a request without an end, for values nobody needs.
        self._ib.errorEvent -= self._ib._onError  # noqa: SLF001 -- no other way to leave it out
        self._ib.errorEvent += self._on_error
        self._ib.disconnectedEvent += self._on_disconnected
        self._ib.client.conn.disconnected += self._on_socket_closed
        self._ib.client.conn.hasData += self._check_length
        self._ib.client.decoder = StrictDecoder(self._ib.wrapper, events.undecodable)
        self._is_out_of_step = False

    async def connect(self, host: str, port: int, client_id: int, *, timeout_seconds: float) -> None:
        """Connect, without what the library would ask for then: positions, executions, the values of accounts.

        Nobody needs them, and a gateway that does not answer one of them would seem to be none.

        Args:
            host: name or address.
            port: of the gateway's API.
            client_id: number that no other client of the gateway uses.
            timeout_seconds: for the socket, and for the handshake.

        Raises:
            OSError: nobody listens, or the connection broke.
            TimeoutError: the handshake had no answer; also what the library makes of a refusal.
        """
        if not IS_IB_ASYNC:
            # ib_insync asks the policy for its loop, and some ways to run a loop don't tell the policy.
            asyncio.set_event_loop(asyncio.get_running_loop())
        self._ib.wrapper.clientId = client_id
        await self._ib.client.connectAsync(host, port, client_id, timeout_seconds)

    def disconnect(self) -> None:
        """Close the connection; nothing is told about that."""
        self._ib.errorEvent -= self._on_error
        self._ib.disconnectedEvent -= self._on_disconnected
        self._ib.client.conn.disconnected -= self._on_socket_closed
        self._ib.client.conn.hasData -= self._check_length
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
            The request's id, and the library's future of its answer, which may fail with a ConnectionError, or with a
            ValueError where the answer can't be read; refusals are told to the events only.
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
        end_text = f"{end.astimezone(UTC):%Y%m%d %H:%M:%S} UTC" if end else ""
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
        if code == _INVALID_REQUEST:
            # For ib_async a warning, after which it waits on: the code is also said of orders that stay alive.
            self._ib.wrapper._endReq(request_id)  # noqa: SLF001 -- see the module

    def _on_disconnected(self) -> None:
        self._events.lost()

    def _on_socket_closed(self, _message: str) -> None:
        self._events.lost()

    def _check_length(self, _: bytes) -> None:
        """Look at the message that has begun to arrive, when the library is through with those before it.

        It would wait for the announced length, and decode nothing more.
        """
        begun = self._ib.client._data  # noqa: SLF001 -- see the module
        length = int.from_bytes(begun[:_LENGTH_BYTES], "big") if len(begun) >= _LENGTH_BYTES else 0
        if length > _LONGEST_MESSAGE and not self._is_out_of_step:
            self._is_out_of_step = True
            self._events.out_of_step(length)
