"""One life of the connection: from a try to connect until it is lost."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.connection.address import GatewayAddress
from services.ib_host.connection.library import LibrarySession
from services.ib_host.connection.notices import Farm, Link, end_told, farm_told, link_told
from services.ib_host.connection.picture import source_of
from services.ib_host.connection.refusals import explained, refused
from services.ib_host.requests.failures import FailureKind, printable
from services.ib_host.requests.language import is_english
from services.ib_host.requests.open_requests import OpenRequests
from services.ib_host.requests.undecodable import is_out_of_step

_LOG = structlog.get_logger(__name__)
CLIENT_ID_TAKEN: Final = 326
_NO_REQUEST: Final = -1
_REQUESTS_LOST: Final = 1101
_NEEDED_FARMS: Final = frozenset({"history", "contracts"})


class ConnectionLife:
    """Connects, and watches what the gateway tells until the connection is lost.

    Args:
        address: the gateway.
        open_requests: told of errors, and ended when the connection is lost.
        changed: called after each change of link or farms.

    Attributes:
        client_id_taken: the gateway has said that another connection has the client id.
    """

    def __init__(self, address: GatewayAddress, open_requests: OpenRequests, changed: Callable[[], None]) -> None:
        self._address = address
        self._open_requests = open_requests
        self._changed = changed
        self._session = LibrarySession(self)
        self._farms: dict[tuple[str, str], Farm] = {}
        self._is_admitted = False
        self._problem = ""
        self._ended = asyncio.Event()
        self.client_id_taken = False
        self.english: bool | None = None
        self.foreign_text = ""
        self.undecodable_messages = 0
        self.link = Link.CONNECTING
        self.source: bars_pb2.Source.ValueType = bars_pb2.SOURCE_UNSPECIFIED

    @property
    def session(self) -> LibrarySession:
        """What requests are sent over."""
        return self._session

    @property
    def farms(self) -> Sequence[Farm]:
        """The data farms that the gateway has told of."""
        return tuple(self._farms.values())

    async def connect(self, client_id: int, *, timeout_seconds: float) -> None:
        """Connect.

        Args:
            client_id: number that no other client of the gateway uses.
            timeout_seconds: for each stage.

        Raises:
            CannotConnectError: it failed, and nothing is left of it.
        """
        loop = asyncio.get_running_loop()
        connecting = loop.create_task(
            self._session.connect(self._address.host, self._address.port, client_id, timeout_seconds=timeout_seconds)
        )
        ended = loop.create_task(self._ended.wait())  # the library itself would only wait for its timeout
        try:
            await asyncio.wait({connecting, ended}, return_when=asyncio.FIRST_COMPLETED)
            self._check(connecting, client_id, timeout_seconds)
            self.source = source_of(self._session.accounts)  # at once: the connection may be gone in the next moment
            self._is_admitted = True
        except BaseException:
            self._ended.set()
            self._session.disconnect()
            connecting.cancel()
            await asyncio.wait({connecting})
            self._session.disconnect()  # again: the library may have lost the cancellation, and connected
            if not connecting.cancelled():
                connecting.exception()  # looked at: otherwise asyncio reports it as forgotten
            raise
        finally:
            ended.cancel()
            await asyncio.wait({ended})
        self.link = Link.UP if self.link is Link.CONNECTING else self.link

    async def wait_until_lost(self) -> str:
        """Wait until the connection is lost, and return why."""
        await self._ended.wait()
        return self._problem or f"The gateway at {self._address} closed the connection."

    @property
    def outage(self) -> bool:
        """Whether IB is known to be down for the gateway, or one of the farms that requests need."""
        broken = any(farm.kind in _NEEDED_FARMS and not farm.ok for farm in self._farms.values())
        return broken or self.link is Link.IB_DOWN

    def drop(self, problem: str, kind: FailureKind = FailureKind.DISCONNECTED) -> None:
        """Close the connection from this side.

        Args:
            problem: why, for people.
            kind: what becomes of open requests.
        """
        if not self._ended.is_set():
            self._problem = problem
            self._session.disconnect()
            self._end(kind, problem)

    def told(self, request_id: int, code: int, text: str) -> None:
        """Take an error or notice of the gateway."""
        if code == CLIENT_ID_TAKEN:
            self._refuse_id(text)
            return
        self._take_language(code, text)
        farm, link = farm_told(code, printable(text)), link_told(code)
        if farm is not None:
            self._farms[farm.kind, farm.name] = farm
        if link is not None:
            self.link = link
        if farm is not None or link is not None:
            self._changed()
        end = end_told(code) if request_id == _NO_REQUEST else None
        if end is not None:
            self._drop_soon(f"The gateway says: {printable(text)} (code {code})", end)
        elif code == _REQUESTS_LOST:
            self._open_requests.fail_all(FailureKind.LINK_LOST, "The gateway was cut off from IB and lost the request")
        else:
            self._open_requests.told(request_id, code, text, outage=self.outage)

    def undecodable(self, fields: Sequence[str]) -> None:
        """Take a message that can't be decoded."""
        self.undecodable_messages += 1
        if is_out_of_step(fields):
            self._drop_soon("What the gateway sends makes no sense any more.", FailureKind.STREAM_BROKEN)
        else:
            self._open_requests.undecodable(fields, server_version=self._session.server_version)

    def out_of_step(self, length: int) -> None:
        """Take the news that a message of an impossible length was announced: nothing after it can be decoded."""
        self.undecodable_messages += 1
        problem = f"The gateway announced a message of {length:,} bytes, which none has: its stream is broken."
        self._drop_soon(problem, FailureKind.STREAM_BROKEN)

    def lost(self) -> None:
        """Take the news that the connection is gone."""
        self._end(FailureKind.DISCONNECTED, f"The connection to {self._address} was lost")

    def _end(self, kind: FailureKind, text: str) -> None:
        if not self._ended.is_set():
            self._ended.set()
            self.link = Link.DISCONNECTED
            self._open_requests.fail_all(kind, text)

    def _refuse_id(self, text: str) -> None:
        """Take the news that another has the client id: usually instead of being let in, sometimes right after."""
        self.client_id_taken = True
        if self._is_admitted:
            self._drop_soon(f"The gateway says: {printable(text)} (code {CLIENT_ID_TAKEN})", FailureKind.DISCONNECTED)
        else:
            self._ended.set()

    def _drop_soon(self, problem: str, kind: FailureKind) -> None:
        """End all requests now, and close the connection once the library is through with what it has read."""
        _LOG.warning("gateway_useless", gateway=str(self._address), problem=problem)
        self._open_requests.fail_all(kind, problem)
        asyncio.get_running_loop().call_soon(self.drop, problem, kind)

    def _take_language(self, code: int, text: str) -> None:
        english = is_english(code, text)
        if english is not None:
            self.english = english
            self.foreign_text = "" if english else printable(text)

    def _check(self, connecting: "asyncio.Task[None]", client_id: int, timeout_seconds: float) -> None:
        if self.client_id_taken or not connecting.done():
            raise refused(self._address, client_id, client_id_taken=self.client_id_taken)
        try:
            connecting.result()
        except OSError as error:
            raise explained(error, self._address, client_id, timeout_seconds=timeout_seconds) from error
        if not self._session.ready:
            raise refused(self._address, client_id, client_id_taken=False)
