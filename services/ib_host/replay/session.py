"""One client's connection: handshake, start, requests."""

import asyncio
import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Protocol

import structlog

from services.ib_host.replay.background import Background
from services.ib_host.replay.clients import Clients
from services.ib_host.replay.connection import Connection
from services.ib_host.replay.errors import (
    NOT_A_REQUEST,
    RequestRefused,
    client_id_taken,
    unknown_message,
    unreadable_request,
)
from services.ib_host.replay.faults.exchange import Exchange
from services.ib_host.replay.faults.messages import HANDSHAKE, request_id
from services.ib_host.replay.faults.moments import Moment
from services.ib_host.replay.faults.rulebook import Faults
from services.ib_host.replay.faults.world import World
from services.ib_host.replay.fields import FieldReader, MalformedRequestError
from services.ib_host.replay.framing import FramingError, read_frame, read_payload
from services.ib_host.replay.gateway import ACCOUNT, Gateway
from services.ib_host.replay.journal import Journal
from services.ib_host.replay.messages import Inbound, Outbound
from services.ib_host.replay.pacing.engine import ClientPacing
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


@dataclass(frozen=True)
class Surroundings:
    """What all sessions of a gateway share.

    Attributes:
        gateway: what it knows.
        handlers: by message id.
        clients: the client ids in use.
        faults: asked about each message.
        world: what faults can do to the whole gateway.
        journal: where received frames, faults, violations and queries are noted.
        moment: returns what time it is for the rules.
        server_version: the highest version to agree on.
    """

    gateway: Gateway
    handlers: Mapping[int, Handler]
    clients: Clients
    faults: Faults
    world: World
    journal: Journal
    moment: Callable[[], Moment]
    server_version: int


class Session:
    """Speaks with one client from its greeting to its end.

    Args:
        reader: what the client sends.
        connection: the way back.
        around: what all sessions share.
        background: what is to be done later; dropped when the session ends.
        pacing: counts the client's messages.

    Attributes:
        connection: the way back.
        queries: the client's open queries for history.
        head_timestamps: ids of its requests for head timestamps that it has not cancelled.
        client_id: None until the client has said which it is.
        wire: replies in the version that was agreed on.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        connection: Connection,
        around: Surroundings,
        *,
        background: Background,
        pacing: ClientPacing,
    ) -> None:
        self._reader = reader
        self._around = around
        self._background = background
        self._pacing = pacing
        self._id_kept_seconds = 0.0
        self.connection = connection
        self.queries = OpenQueries(lambda *change: around.journal.record_query(self.client_id, *change))
        self.head_timestamps: set[int] = set()
        self.client_id: int | None = None
        self.wire = Wire(around.server_version)

    async def run(self) -> None:
        """Serve the client until it leaves or breaks the protocol."""
        try:
            if await self._shake_hands():
                await self._serve()
        except FramingError as error:
            _LOG.warning("client_out_of_step", client_id=self.client_id, detail=str(error))
        except ConnectionError:
            _LOG.info("client_lost", client_id=self.client_id)
        finally:
            self.head_timestamps.clear()
            if self.client_id is not None:
                self._around.clients.leave(self.client_id)
            await self._background.cancel_all()
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
        version = negotiate(int(match[1]), int(match[2] or match[1]), self._around.server_version)
        if version is None:
            _LOG.warning("no_common_version", client=match[0].decode(errors="backslashreplace"))
            return False
        self.wire = Wire(version)
        self._deal_with(HANDSHAKE, (), self._agree)
        return True

    def _agree(self, connection: Connection) -> None:
        connection.send(self.wire.handshake(self._around.gateway.clock.now()))

    async def _serve(self) -> None:
        """Deal with messages; nothing may be sent before the client's start message, some clients would lose it."""
        while (frame := await read_frame(self._reader)) is not None:
            self._around.journal.record(self.client_id, frame)
            if not self._comes_too_fast(frame):
                if self.client_id is not None:
                    self._deal_with(_number(frame[0]), frame, partial(self._answer, frame))
                elif frame[0] == str(int(Inbound.START_API)):
                    self._deal_with(Inbound.START_API, frame, partial(self._admit, frame))
            if self.connection.is_closing:
                break
            await self.connection.drain()
        if self.client_id is not None:
            _LOG.info("client_left", client_id=self.client_id)

    def _comes_too_fast(self, frame: tuple[str, ...]) -> bool:
        open_count = self._around.clients.open_count
        refusal = self._pacing.check(_number(frame[0]), frame, request_id(frame), open_queries=open_count)
        if refusal is None:
            return False
        _LOG.warning("pacing_violation", client_id=self.client_id, rule=refusal.rule, message_id=frame[0])
        self._around.journal.record_violation(self.client_id, rule=refusal.rule, fields=frame)
        self.refuse(refusal.request_id, refusal)
        if refusal.ends_connection:
            self.connection.finish()
        return True

    def _deal_with(self, message: int, frame: tuple[str, ...], usual: Callable[[Connection], None]) -> None:
        around = self._around
        due = around.faults.find(
            message,
            frame,
            moment=around.moment(),
            client_id=self.client_id,
            listed=around.gateway.listed_at,
        )
        outage = around.world.outages.find(message)
        if due is None and outage is None:
            usual(self.connection)
            return
        exchange = Exchange(
            message_id=message,
            fields=frame,
            request_id=request_id(frame),
            connection=self.connection,
            queries=self.queries,
            background=self._background,
            refuse=self.refuse,
            proceed=usual,
            world=around.world,
            keep_client_id=self._keep_client_id,
            draw=due.values if due else Random(0),
        )
        if due is not None:
            rule = due.rule
            _LOG.warning("fault", client_id=self.client_id, rule=rule.name, action=rule.action, message_id=message)
            around.journal.record_fault(self.client_id, rule=rule.name, action=rule.action, fields=frame)
            rule.apply(exchange)
        elif outage is not None:
            outage.treat(exchange)

    def _keep_client_id(self, seconds: float) -> None:
        self._id_kept_seconds = seconds

    def _admit(self, frame: tuple[str, ...], connection: Connection) -> None:
        fields = FieldReader(frame[1:])
        try:
            fields.skip()
            client_id = fields.integer()
        except MalformedRequestError as error:
            self.refuse(NOT_A_REQUEST, unreadable_request(frame[0], str(error)))
            self.connection.finish()
            return
        if not self._around.clients.enter(client_id, self):
            self.refuse(NOT_A_REQUEST, client_id_taken())
            self.connection.finish()
            return
        self.client_id = client_id
        if self._id_kept_seconds:
            self._around.clients.keep_id(client_id, self._id_kept_seconds)
        connection.send([Outbound.MANAGED_ACCOUNTS, 1, ACCOUNT])
        connection.send([Outbound.NEXT_VALID_ID, 1, 1])
        for notice in self._around.world.outages.announce(NOTICES):
            connection.send(self.wire.error(NOT_A_REQUEST, notice))
        _LOG.info("client_started", client_id=client_id, version=self.wire.version)

    def _answer(self, frame: tuple[str, ...], connection: Connection) -> None:
        session = self if connection is self.connection else copy.copy(self)
        session.connection = connection
        fields = FieldReader(frame)
        try:
            handler = self._around.handlers.get(fields.integer())
            if handler is None:
                raise unknown_message()
            handler.handle(session, fields)
        except RequestRefused as refusal:
            session.refuse(fields.request_id, refusal)
        except MalformedRequestError as error:
            session.refuse(fields.request_id, unreadable_request(frame[0], str(error)))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1
