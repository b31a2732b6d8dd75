"""One life of the connection: from a try to connect until it is lost."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Final

from ktrdr.ib.v1 import bars_pb2

from services.ib_host.connection.address import GatewayAddress
from services.ib_host.connection.library import LibrarySession
from services.ib_host.connection.picture import Farm, Link, farm_told, link_told, source_of
from services.ib_host.requests.failures import FailureKind, printable
from services.ib_host.requests.open_requests import OpenRequests

CLIENT_ID_TAKEN: Final = 326
_REQUESTS_LOST: Final = 1101


class CannotConnectError(Exception):
    """A try failed: the message says why, and what to do."""

    def __init__(self, message: str, *, client_id_taken: bool = False) -> None:
        super().__init__(message)
        self.client_id_taken = client_id_taken


class ConnectionLife:
    """Connects, and watches what the gateway tells until the connection is lost.

    Args:
        address: the gateway.
        open_requests: told of errors, and ended when the connection is lost.
        changed: called after each change of link or farms.
    """

    def __init__(self, address: GatewayAddress, open_requests: OpenRequests, changed: Callable[[], None]) -> None:
        self._address = address
        self._open_requests = open_requests
        self._changed = changed
        self._session = LibrarySession(self)
        self._farms: dict[tuple[str, str], Farm] = {}
        self._client_id_taken = False
        self._problem = ""
        self._ended = asyncio.Event()
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
        refused = loop.create_task(self._ended.wait())  # the library itself would only wait for its timeout
        try:
            await asyncio.wait({connecting, refused}, return_when=asyncio.FIRST_COMPLETED)
            self._check(connecting, client_id, timeout_seconds)
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
            refused.cancel()
            await asyncio.wait({refused})
        self.source = source_of(self._session.accounts)
        self.link = Link.UP if self.link is Link.CONNECTING else self.link

    async def wait_until_lost(self) -> str:
        """Wait until the connection is lost, and return why."""
        await self._ended.wait()
        return self._problem or f"The gateway at {self._address} closed the connection."

    def drop(self, problem: str) -> None:
        """Close the connection from this side."""
        if not self._ended.is_set():
            self._problem = problem
            self._session.disconnect()
            self.lost()

    def told(self, request_id: int, code: int, text: str) -> None:
        """Take an error or notice of the gateway."""
        if code == CLIENT_ID_TAKEN:
            self._client_id_taken = True
            self._ended.set()
            return
        farm, link = farm_told(code, printable(text)), link_told(code)
        if farm is not None:
            self._farms[farm.kind, farm.name] = farm
        if link is not None:
            self.link = link
        if farm is not None or link is not None:
            self._changed()
        if code == _REQUESTS_LOST:
            self._open_requests.fail_all(FailureKind.LINK_LOST, "The gateway was cut off from IB and lost the request")
        else:
            self._open_requests.told(request_id, code, text)

    def undecodable(self, fields: Sequence[str]) -> None:
        """Take a message that can't be decoded."""
        self._open_requests.undecodable(fields)

    def lost(self) -> None:
        """Take the news that the connection is gone."""
        if self._ended.is_set():
            return
        self._ended.set()
        self.link = Link.DISCONNECTED
        self._open_requests.fail_all(FailureKind.DISCONNECTED, f"The connection to {self._address} was lost")

    def _check(self, connecting: "asyncio.Task[None]", client_id: int, timeout_seconds: float) -> None:
        if not connecting.done():
            raise CannotConnectError(self._refusal(client_id), client_id_taken=self._client_id_taken)
        try:
            connecting.result()
        except ConnectionRefusedError as error:
            message = (
                f"Nothing listens at {self._address}. Start IB Gateway or TWS with its API enabled, or correct "
                "--gateway."
            )
            raise CannotConnectError(message) from error
        except socket.gaierror as error:
            message = f"The host name in {self._address} is not known. Correct --gateway."
            raise CannotConnectError(message) from error
        except TimeoutError as error:
            message = (
                f"The gateway at {self._address} did not complete the handshake; {timeout_seconds:g} s were given to "
                "each step. Log in there, and allow this machine in its API settings."
            )
            raise CannotConnectError(message, client_id_taken=self._client_id_taken) from error
        except (OSError, ConnectionError) as error:
            raise CannotConnectError(self._refusal(client_id), client_id_taken=self._client_id_taken) from error

    def _refusal(self, client_id: int) -> str:
        if self._client_id_taken:
            return f"Client id {client_id} is in use at {self._address}. Choose another with --client-id."
        return f"The gateway at {self._address} closed the connection during the handshake. See its API settings."
