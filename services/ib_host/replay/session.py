"""One client's connection: handshake, start, requests."""

import asyncio
import re
from collections.abc import Mapping
from typing import Protocol

import structlog

from services.ib_host.replay.connection import Connection
from services.ib_host.replay.errors import (
    NOT_A_REQUEST,
    RequestRefused,
    client_id_taken,
    unknown_message,
    unreadable_request,
)
from services.ib_host.replay.fields import FieldReader, MalformedRequestError
from services.ib_host.replay.framing import FramingError, read_frame, read_payload
from services.ib_host.replay.gateway import ACCOUNT, Gateway
from services.ib_host.replay.journal import Journal
from services.ib_host.replay.messages import Inbound, Outbound
from services.ib_host.replay.queries import OpenQueries
from services.ib_host.replay.wire import Wire, negotiate

_LOG = structlog.get_logger(__name__)
_GREETING = b"API\0"
_VERSIONS = re.compile(rb"v(\d{1,6})(?:\.\.(\d{1,6}))?(?: .*)?", re.DOTALL)

NOTICES = (
    RequestRefused(2104, "Market data farm connection is OK:usfarm"),
    RequestRefused(2106, "HMDS data farm connection is OK:ushmds"),
    RequestRefused(2158, "Sec-def data farm connection is OK:secdefil"),
)
"""What a gateway says to every client that starts: its links to IB are up."""


class Handler(Protocol):
    """Answers one kind of message."""

    def handle(self, session: "Session", fields: FieldReader) -> None:
        """Answer a request, or start what will answer it.

        Args:
            session: where it came from and its answer goes to.
            fields: what follows the message id.

        Raises:
            RequestRefused: sent to the client under the request's id.
            MalformedRequestError: sent to the client as error 320.
        """


class ClientRegister(Protocol):
    """Knows which client ids are in use."""

    def enter(self, client_id: int, session: "Session") -> bool:
        """Take a client id; False when another connection has it."""

    def leave(self, client_id: int) -> None:
        """Give a client id back."""


class Session:
    """Speaks with one client from its greeting to its end.

    Args:
        reader: what the client sends.
        connection: the way back.
        gateway: what is shared by all sessions.
        handlers: by message id.
        register: the client ids in use.
        journal: where received frames are noted.
        server_version: the highest version to agree on.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        connection: Connection,
        *,
        gateway: Gateway,
        handlers: Mapping[int, Handler],
        register: ClientRegister,
        journal: Journal,
        server_version: int,
    ) -> None:
        self._reader = reader
        self._gateway = gateway
        self._handlers = handlers
        self._register = register
        self._journal = journal
        self._server_version = server_version
        self.connection = connection
        self.queries = OpenQueries()
        self.client_id: int | None = None
        self.wire = Wire(server_version)

    async def run(self) -> None:
        """Serve the client until it leaves or breaks the protocol."""
        try:
            if await self._shake_hands() and await self._start():
                await self._serve()
        except FramingError as error:
            _LOG.warning("client_out_of_step", client_id=self.client_id, detail=str(error))
        except ConnectionError:
            _LOG.info("client_lost", client_id=self.client_id)
        finally:
            if self.client_id is not None:
                self._register.leave(self.client_id)
            await self.queries.cancel_all()
            await self.connection.close()

    def refuse(self, request_id: int, refusal: RequestRefused) -> None:
        """Send an error, warning or notice."""
        self.connection.send(self.wire.error(request_id, refusal))

    async def _shake_hands(self) -> bool:
        try:
            greeting = await self._reader.readexactly(len(_GREETING))
        except asyncio.IncompleteReadError:
            return False
        versions = await read_payload(self._reader) if greeting == _GREETING else None
        match = _VERSIONS.fullmatch(versions or b"")
        if match is None:
            _LOG.warning("greeting_not_understood")
            return False
        version = negotiate(int(match[1]), int(match[2] or match[1]), self._server_version)
        if version is None:
            _LOG.warning("no_common_version", client=match[0].decode(errors="backslashreplace"))
            return False
        self.wire = Wire(version)
        self.connection.send(self.wire.handshake(self._gateway.clock.now()))
        return True

    async def _start(self) -> bool:
        """Wait for the client's start message; nothing may be sent before, some clients would lose it."""
        while (frame := await read_frame(self._reader)) is not None:
            self._journal.record(None, frame)
            if frame[0] == str(int(Inbound.START_API)):
                return self._admit(FieldReader(frame[1:]))
        return False

    def _admit(self, fields: FieldReader) -> bool:
        try:
            fields.skip()
            client_id = fields.integer()
        except MalformedRequestError as error:
            self.refuse(NOT_A_REQUEST, unreadable_request(str(int(Inbound.START_API)), str(error)))
            return False
        if not self._register.enter(client_id, self):
            self.refuse(NOT_A_REQUEST, client_id_taken())
            return False
        self.client_id = client_id
        self.connection.send([Outbound.MANAGED_ACCOUNTS, 1, ACCOUNT])
        self.connection.send([Outbound.NEXT_VALID_ID, 1, 1])
        for notice in NOTICES:
            self.refuse(NOT_A_REQUEST, notice)
        _LOG.info("client_started", client_id=client_id, version=self.wire.version)
        return True

    async def _serve(self) -> None:
        while (frame := await read_frame(self._reader)) is not None:
            self._journal.record(self.client_id, frame)
            self._dispatch(frame)
            await self.connection.drain()
        _LOG.info("client_left", client_id=self.client_id)

    def _dispatch(self, frame: tuple[str, ...]) -> None:
        fields = FieldReader(frame)
        try:
            handler = self._handlers.get(fields.integer())
            if handler is None:
                raise unknown_message()
            handler.handle(self, fields)
        except RequestRefused as refusal:
            self.refuse(fields.request_id, refusal)
        except MalformedRequestError as error:
            self.refuse(fields.request_id, unreadable_request(frame[0], str(error)))
