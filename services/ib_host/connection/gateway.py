"""The one connection to the gateway, kept up for as long as the host runs."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog
from ktrdr.ib.v1 import bars_pb2

from services.common.clock import Clock
from services.ib_host.connection.address import GatewayAddress
from services.ib_host.connection.backoff import Backoff
from services.ib_host.connection.library import LibrarySession
from services.ib_host.connection.life import CannotConnectError, ConnectionLife
from services.ib_host.connection.picture import GatewayPicture, Link
from services.ib_host.requests.open_requests import OpenRequests

_LOG = structlog.get_logger(__name__)
_CLIENT_IDS: Final = 8
_COUNTDOWN_SECONDS: Final = 1.0


class GatewayConnection:
    """Connects, tells how it stands, and connects again: a gateway that is away is a state, not an error.

    Everything runs on the event loop that `start` is called on.

    Args:
        address: the gateway.
        client_id: the first of eight client ids to try: a gateway gives each to one connection only.
        open_requests: the requests that wait for an answer.
        clock: for waits and ages.
        backoff: delays between tries.
        connect_timeout_seconds: for each stage of connecting.
    """

    def __init__(
        self,
        address: GatewayAddress,
        *,
        client_id: int,
        open_requests: OpenRequests,
        clock: Clock,
        backoff: Backoff,
        connect_timeout_seconds: float,
    ) -> None:
        self._address = address
        self._first_client_id = client_id
        self._client_id = client_id
        self._open_requests = open_requests
        self._clock = clock
        self._backoff = backoff
        self._connect_timeout_seconds = connect_timeout_seconds
        self._life: ConnectionLife | None = None
        self._task: asyncio.Task[None] | None = None
        self._change = asyncio.Event()
        self._failures = 0
        self._problem = ""
        self._retry_at: float | None = None
        self._connected_at: float | None = None
        self._source: bars_pb2.Source.ValueType = bars_pb2.SOURCE_UNSPECIFIED
        self.gateway_time: datetime | None = None

    async def start(self) -> None:
        """Begin to connect; returns at once."""
        self._task = asyncio.get_running_loop().create_task(self._keep_connected(), name="gateway-connection")

    async def stop(self) -> None:
        """Close the connection for good. Open requests end as disconnected."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    @property
    def address(self) -> str:
        """HOST:PORT of the gateway."""
        return str(self._address)

    @property
    def source(self) -> bars_pb2.Source.ValueType:
        """Recorded or real bars, as the accounts of the latest connection say; unspecified before the first."""
        return self._source

    @property
    def link(self) -> Link:
        """How far the connection reaches now."""
        if self._connected_at is not None and self._life is not None:
            return self._life.link
        return Link.DISCONNECTED if self._task is None else Link.CONNECTING

    @property
    def session(self) -> LibrarySession | None:
        """What requests are sent over; None without a connection."""
        if self._connected_at is None or self._life is None or not self._life.session.ready:
            return None
        return self._life.session

    def farm_is_down(self, kind: str) -> bool:
        """Tell whether IB has said that a farm of a kind ("history", "contracts") is broken."""
        return self._life is not None and any(farm.kind == kind and not farm.ok for farm in self._life.farms)

    @property
    def picture(self) -> GatewayPicture:
        """How the host stands with its gateway."""
        now = self._clock.monotonic()
        session = self.session
        return GatewayPicture(
            address=self.address,
            link=self.link,
            source=self._source,
            server_version=session.server_version if session else 0,
            client_id=self._client_id,
            farms=self._life.farms if self._life else (),
            failures=self._failures,
            retry_in=None if self._retry_at is None else timedelta(seconds=max(0.0, self._retry_at - now)),
            problem=self._problem,
            gateway_time=self.gateway_time,
            open_requests=len(self._open_requests),
            connected_for=None if self._connected_at is None else timedelta(seconds=now - self._connected_at),
        )

    async def wait_until_up(self, told: Callable[[str], None]) -> None:
        """Wait until requests can be sent.

        Args:
            told: called with why, at first and each second while it waits.
        """
        while text := self.picture.waiting_text:
            told(text)
            # Not asyncio.wait_for: before Python 3.12 it loses a cancellation that meets the change.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_COUNTDOWN_SECONDS):
                    await self._change.wait()

    def drop(self, problem: str) -> None:
        """Close the connection and connect again.

        Args:
            problem: why, for people.
        """
        if self._life is not None and self._connected_at is not None:
            self._life.drop(problem)

    async def _keep_connected(self) -> None:
        try:
            while True:
                self._problem = await self._live_once()
                self._failures += 1
                delay = self._backoff.delay_seconds(self._failures)
                self._retry_at = self._clock.monotonic() + delay
                self._announce()
                _LOG.warning("gateway_away", gateway=self.address, problem=self._problem, retry_seconds=round(delay, 1))
                await self._clock.sleep(delay)
                self._retry_at = None
        finally:
            self._down("The host is stopping.")

    async def _live_once(self) -> str:
        """Connect, stay connected, and return why it ended."""
        try:
            life = await self._connect()
        except CannotConnectError as error:
            return str(error)
        self._connected_at = self._clock.monotonic()
        self._source, self._failures, self._problem = life.source, 0, ""
        self._announce()
        _LOG.info("gateway_connected", gateway=self.address, source=bars_pb2.Source.Name(life.source))
        problem = await life.wait_until_lost()
        self._down(problem)
        return problem

    async def _connect(self) -> ConnectionLife:
        for client_id in range(self._first_client_id, self._first_client_id + _CLIENT_IDS):
            self._client_id = client_id
            self._life = ConnectionLife(self._address, self._open_requests, self._announce)
            self._announce()
            try:
                await self._life.connect(client_id, timeout_seconds=self._connect_timeout_seconds)
            except CannotConnectError as error:
                self._life = None
                if not error.client_id_taken:
                    raise
                _LOG.warning("client_id_taken", gateway=self.address, client_id=client_id)
            else:
                return self._life
        last = self._first_client_id + _CLIENT_IDS - 1
        message = f"Client ids {self._first_client_id} to {last} are in use at {self.address}. Choose with --client-id."
        raise CannotConnectError(message)

    def _down(self, problem: str) -> None:
        if self._life is not None:
            self._life.drop(problem)
        self._life = None
        self._connected_at = None
        self._announce()

    def _announce(self) -> None:
        change, self._change = self._change, asyncio.Event()
        change.set()
