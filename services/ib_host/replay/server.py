"""The replay gateway's TCP server."""

import asyncio
from datetime import timedelta
from typing import Self

from services.common.clock import Clock, SystemClock
from services.ib_host.replay.background import Background
from services.ib_host.replay.clock import ReplayClock
from services.ib_host.replay.connection import Connection
from services.ib_host.replay.errors import NOT_A_REQUEST, RequestRefused
from services.ib_host.replay.faults.file import read_faults
from services.ib_host.replay.faults.outages import Outages
from services.ib_host.replay.faults.rulebook import Faults
from services.ib_host.replay.gateway import Gateway
from services.ib_host.replay.handlers import build_handlers
from services.ib_host.replay.journal import Journal
from services.ib_host.replay.served_history import ServedHistory
from services.ib_host.replay.session import Session
from services.ib_host.replay.settings import ReplaySettings
from services.ib_host.replay.sources.choice import open_history


class ReplayServer:
    """Serves recorded history to clients of the TWS API, from entering the context until leaving it.

    Args:
        settings: where to listen and what to replay.
        history: replaces what `settings.data` names.
        faults: replace what `settings.faults` names.
        wall_clock: for what takes time: faults and the times in the journal.

    Raises:
        RecordingError: the recording that the settings name can't be used.
        FaultFileError: the rules that the settings name can't be used.

    Attributes:
        history: what is replayed, to compare with what a client has got.
        faults: the rules, and how often each has fired.
        journal: the frames received last, and the faults that happened last.
        port: the port it listens on, once it does.
    """

    def __init__(
        self,
        settings: ReplaySettings,
        *,
        history: ServedHistory | None = None,
        faults: Faults | None = None,
        wall_clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._host = settings.bind.strip("[]")
        self.history = history or open_history(settings.data)
        self.clock = ReplayClock(settings.now or self.history.end)
        self.faults = faults or (read_faults(settings.faults) if settings.faults else Faults())
        self._wall_clock = wall_clock or SystemClock()
        self.journal = Journal(settings.journal_limit, clock=self._wall_clock)
        self.port = settings.port
        self._gateway = Gateway(
            history=self.history,
            instruments=self.history.instruments,
            clock=self.clock,
            latency=timedelta(milliseconds=settings.latency_ms),
        )
        self._handlers = build_handlers(self._gateway)
        self._sessions: dict[int, Session] = {}
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._background = Background(self._wall_clock)
        self._outages = Outages(self._background, tell_all=self._tell_all, lose_queries=self._lose_queries)
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """HOST:PORT to connect to."""
        return f"[{self._host}]:{self.port}" if ":" in self._host else f"{self._host}:{self.port}"

    @property
    def client_ids(self) -> frozenset[int]:
        """The clients that are connected and started."""
        return frozenset(self._sessions)

    @property
    def open_queries(self) -> frozenset[tuple[int, int]]:
        """Queries for history without an answer yet, as (client id, request id)."""
        return frozenset(
            (client_id, request_id)
            for client_id, session in self._sessions.items()
            for request_id in session.queries.ids
        )

    async def __aenter__(self) -> Self:
        """Start listening.

        Raises:
            OSError: the address can't be listened on.
        """
        self._server = await asyncio.start_server(self._serve, self._host, self._settings.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening and drop all connections."""
        if self._server is None:
            return
        self._server.close()
        await asyncio.sleep(0)  # connections just accepted get here before they are counted
        while self._connections:
            for connection in self._connections.values():
                connection.abort()
            await asyncio.wait(list(self._connections))
        await self._background.cancel_all()
        await self._server.wait_closed()
        self._server = None

    def enter(self, client_id: int, session: Session) -> bool:
        """Take a client id for a session; False when another connection has it."""
        return self._sessions.setdefault(client_id, session) is session

    def leave(self, client_id: int, *, after_seconds: float = 0.0) -> None:
        """Give a client id back, at once or later."""
        if after_seconds:
            self._background.later(after_seconds, lambda: self.leave(client_id))
        else:
            del self._sessions[client_id]

    def _tell_all(self, notice: RequestRefused) -> None:
        for session in self._sessions.values():
            session.refuse(NOT_A_REQUEST, notice)

    def _lose_queries(self) -> None:
        for session in self._sessions.values():
            session.queries.lose_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(writer)
        session = Session(
            reader,
            connection,
            gateway=self._gateway,
            handlers=self._handlers,
            register=self,
            faults=self.faults,
            outages=self._outages,
            background=Background(self._wall_clock),
            journal=self.journal,
            server_version=self._settings.server_version,
        )
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = connection
        try:
            await session.run()
        finally:
            del self._connections[task]
