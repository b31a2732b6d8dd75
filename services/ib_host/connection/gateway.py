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
from services.ib_host.connection.attempts import Attempts
from services.ib_host.connection.backoff import Backoff
from services.ib_host.connection.client_ids import ClientIds
from services.ib_host.connection.library import LibrarySession
from services.ib_host.connection.life import ConnectionLife
from services.ib_host.connection.notices import Link
from services.ib_host.connection.picture import ClockReading, GatewayPicture
from services.ib_host.connection.refusals import CannotConnectError
from services.ib_host.requests.open_requests import OpenRequests
from services.ib_host.resets.texts import login_text, reset_text

_BROKEN: Final = "The connection broke for a reason that nobody expected; the IB host's log has it."
_LOG = structlog.get_logger(__name__)
_COUNTDOWN_SECONDS: Final = 1.0
_MOST_SECONDS_OF_A_TRY: Final = 1.0
_WHOLE_SECONDS: Final = timedelta(seconds=0.5)
"""A gateway tells its time in whole seconds, half a second less than it is on average."""


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
        self._client_ids = ClientIds(client_id, clock)
        self._client_id = client_id
        self._open_requests = open_requests
        self._clock = clock
        self._attempts = Attempts(backoff, clock)
        self._connect_timeout_seconds = connect_timeout_seconds
        self._life: ConnectionLife | None = None
        self._task: asyncio.Task[None] | None = None
        self._change = asyncio.Event()
        self._hurry = asyncio.Event()
        self._connected_at: float | None = None
        self._source: bars_pb2.Source.ValueType = bars_pb2.SOURCE_UNSPECIFIED
        self._clock_reading: ClockReading | None = None

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

    @property
    def picture(self) -> GatewayPicture:
        """How the host stands with its gateway."""
        now = self._clock.monotonic()
        session, life, wall = self.session, self._life, self._clock.now()
        return GatewayPicture(
            address=self.address,
            link=self.link,
            source=self._source,
            server_version=session.server_version if session else 0,
            client_id=self._client_id,
            first_client_id=self._client_ids.first,
            farms=life.farms if life else (),
            failures=self._attempts.failures,
            retry_in=self._attempts.retry_in,
            problem=self._attempts.problem,
            clock=self._clock_reading,
            open_requests=len(self._open_requests),
            connected_for=None if self._connected_at is None else timedelta(seconds=now - self._connected_at),
            client_ids_taken=self._attempts.client_ids_taken,
            english=life.english if life else None,
            foreign_text=life.foreign_text if life else "",
            undecodable=life.undecodable_messages if life else 0,
            reset=reset_text(wall),
            login=login_text(wall),
        )

    async def wait_until_up(self, told: Callable[[str], None]) -> None:
        """Wait until requests can be sent.

        Args:
            told: called with why, at first and each second while it waits.
        """
        while text := self.picture.waiting_text:
            told(text)
            await self._next_change()

    async def wait_until_open(self) -> None:
        """Wait until there is a connection to the gateway, however it stands with IB."""
        while self.session is None:
            await self._next_change()

    async def try_now(self) -> None:
        """Without a connection, try at once, and wait a second at most for what comes of it, or of a try under way."""
        failures = self._attempts.failures
        if self._task is None:
            return
        self._hurry.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_MOST_SECONDS_OF_A_TRY):
                while self.session is None and self._attempts.failures == failures:
                    await self._change.wait()

    def take_clock(self, gateway_time: datetime, *, seconds: float) -> None:
        """Take note of the gateway's time.

        Args:
            gateway_time: as it was told, UTC.
            seconds: from asking to the answer.
        """
        now = self._clock.now()
        difference = gateway_time + _WHOLE_SECONDS - (now - timedelta(seconds=seconds / 2))
        self._clock_reading = ClockReading(gateway_time, now, difference)

    def drop(self, problem: str) -> None:
        """Close the connection and connect again.

        Args:
            problem: why, for people.
        """
        if self._life is not None and self._connected_at is not None:
            _LOG.warning("gateway_dropped", gateway=self.address, problem=problem)
            self._life.drop(problem)

    async def _keep_connected(self) -> None:
        try:
            while True:
                try:
                    await self._live_once()
                except Exception:
                    # Whatever a gateway does, and the library makes of it, the host goes on trying.
                    _LOG.exception("connection_broken", gateway=self.address)
                    self._attempts.failed(_BROKEN)
                    self._down(_BROKEN)
                delay = self._attempts.begin_pause()
                self._announce()
                problem = self._attempts.problem
                _LOG.warning("gateway_away", gateway=self.address, problem=problem, retry_seconds=round(delay, 1))
                await self._pause(delay)
                self._attempts.end_pause()
        finally:
            self._down("The host is stopping.")

    async def _pause(self, delay_seconds: float) -> None:
        """Wait for the next try, unless somebody wants it now."""
        self._hurry.clear()
        loop = asyncio.get_running_loop()
        waits = {loop.create_task(self._clock.sleep(delay_seconds)), loop.create_task(self._hurry.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.wait(waits)

    async def _live_once(self) -> None:
        """Connect, and stay connected until that ends."""
        try:
            life = await self._connect()
        except CannotConnectError as error:
            self._attempts.failed(str(error), client_ids_taken=error.client_id_taken)
            return
        began = self._connected_at = self._clock.monotonic()
        self._source = life.source
        self._attempts.succeeded()
        self._announce()
        _LOG.info("gateway_connected", gateway=self.address, source=bars_pb2.Source.Name(life.source))
        problem = await life.wait_until_lost()
        if life.client_id_taken:
            self._client_ids.refused(self._client_id)
        self._attempts.lasted(self._clock.monotonic() - began)
        self._attempts.failed(problem)
        self._down(problem)

    async def _connect(self) -> ConnectionLife:
        for client_id in self._client_ids.candidates():
            self._client_id = client_id
            self._life = ConnectionLife(self._address, self._open_requests, self._announce)
            self._announce()
            try:
                await self._life.connect(client_id, timeout_seconds=self._connect_timeout_seconds)
            except CannotConnectError as error:
                self._life = None
                if not error.client_id_taken:
                    raise
                self._client_ids.refused(client_id)
                _LOG.warning("client_id_taken", gateway=self.address, client_id=client_id)
            else:
                self._client_ids.taken(client_id)
                return self._life
        ids = f"{self._client_ids.first} to {self._client_ids.last}"
        message = f"Client ids {ids} are in use at {self.address}. Choose others with --client-id."
        raise CannotConnectError(message, client_id_taken=True)

    def _down(self, problem: str) -> None:
        if self._life is not None:
            self._life.drop(problem)
        self._life = None
        self._connected_at = None
        self._announce()

    async def _next_change(self) -> None:
        # Not asyncio.wait_for: before Python 3.12 it loses a cancellation that meets the change.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_COUNTDOWN_SECONDS):
                await self._change.wait()

    def _announce(self) -> None:
        change, self._change = self._change, asyncio.Event()
        change.set()
