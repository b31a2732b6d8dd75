"""The replay gateway's TCP server."""

import asyncio
from datetime import datetime
from typing import Final, Self

from services.common.clock import Clock, SystemClock
from services.ib_host.replay.background import Background
from services.ib_host.replay.clients import Clients
from services.ib_host.replay.clock import ReplayClock
from services.ib_host.replay.connection import Connection
from services.ib_host.replay.errors import RequestRefused
from services.ib_host.replay.faults.catalogue import parse_fault
from services.ib_host.replay.faults.file import read_faults
from services.ib_host.replay.faults.moments import Moment
from services.ib_host.replay.faults.outages import Outages
from services.ib_host.replay.faults.rule import FaultRule
from services.ib_host.replay.faults.rulebook import Faults, RuleCount
from services.ib_host.replay.faults.script import FaultScript
from services.ib_host.replay.faults.world import World
from services.ib_host.replay.gateway import Gateway
from services.ib_host.replay.handlers import build_handlers
from services.ib_host.replay.journal import Journal
from services.ib_host.replay.journal_file import JournalFile
from services.ib_host.replay.latency import Latency
from services.ib_host.replay.listening import Listener
from services.ib_host.replay.pacing.engine import PacingEngine
from services.ib_host.replay.revised_history import RevisedHistory
from services.ib_host.replay.served_history import ServedHistory
from services.ib_host.replay.session import Session, Surroundings
from services.ib_host.replay.settings import ReplaySettings
from services.ib_host.replay.sources.choice import open_history

_TURNS_OF_ACCEPTING: Final = 5
"""So many turns of the event loop after a connection was taken it is served, at the latest."""


class ReplayServer:
    """Serves recorded history to clients of the TWS API, from entering the context until leaving it.

    Args:
        settings: where to listen and what to replay.
        history: replaces what `settings.data` names.
        faults: replace what `settings.faults` and `settings.fault` name.
        wall_clock: for what takes time: faults, latency, pacing and the times in the journal.

    Raises:
        RecordingError: the recording that the settings name can't be used.
        FaultFileError: the file of rules that the settings name can't be used.
        RuleError: a rule that the settings name can't be used.
        OSError: the file of the journal can't be written.

    Attributes:
        history: what is replayed, to compare with what a client has got; revisions are in it once they have happened.
        clock: the gateway's present. A test that moves it calls `move_to` of the server.
        faults: the rules, and how often each has fired; rules can be added while it runs.
        pacing: which limits were broken how often, and how full each window was.
        journal: the frames, faults, violations and queries that came last, and a summary of all.
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
        self._wall_clock = wall_clock or SystemClock()
        self.history = RevisedHistory(history or open_history(settings.data))
        self.clock = ReplayClock(
            settings.now or self.history.end,
            speed=settings.speed,
            wall_clock=self._wall_clock if settings.speed else None,
        )
        self.faults = faults or _faults(settings)
        self.pacing = PacingEngine(
            settings.pacing, settings.pacing_limits, clock=self._wall_clock, most_messages=settings.most_messages
        )
        self._journal_file = JournalFile(settings.journal) if settings.journal else None
        also = self._journal_file.write if self._journal_file else None
        self.journal = Journal(settings.journal_limit, clock=self._wall_clock, also=also)
        self._gateway = Gateway(
            history=self.history,
            instruments=self.history.instruments,
            clock=self.clock,
            wall_clock=self._wall_clock,
            latency=Latency(
                settings.latency_ms / 1000, jitter_seconds=settings.jitter_ms / 1000, seed=self.faults.seed
            ),
        )
        self._handlers = build_handlers(self._gateway)
        self._background = Background(self._wall_clock)
        self._clients = Clients(self._background)
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._outages = Outages(
            self._background, tell_all=self._clients.tell_all, lose_queries=self._clients.lose_queries
        )
        self._world = World(
            outages=self._outages,
            background=self._background,
            refuse_connections=self._refuse_connections,
            drop_all=self._drop_all,
            keep_client_ids=self._clients.keep_ids,
            history=self.history,
        )
        self._script = FaultScript(
            self.faults,
            world=self._world,
            background=self._background,
            moment=self._moment,
            seconds_until=self.clock.seconds_until,
            note=lambda rule, action: self.journal.record_fault(None, rule=rule, action=action, fields=()),
        )
        self._listener = Listener(self._host, settings.port, self._serve)
        self._started = self._wall_clock.monotonic()
        self._is_running = False

    @property
    def port(self) -> int:
        """The port it listens on, once it does."""
        return self._listener.port

    @property
    def address(self) -> str:
        """HOST:PORT to connect to."""
        return f"[{self._host}]:{self.port}" if ":" in self._host else f"{self._host}:{self.port}"

    @property
    def is_listening(self) -> bool:
        """Whether it takes connections now: not while a fault makes it refuse them."""
        return self._listener.is_listening

    @property
    def client_ids(self) -> frozenset[int]:
        """The clients that are connected and started, and ids that are kept taken."""
        return self._clients.ids

    @property
    def open_queries(self) -> frozenset[tuple[int, int]]:
        """Queries for history without an answer yet, as (client id, request id)."""
        return self._clients.open_queries

    def move_to(self, now: datetime) -> None:
        """Go to another present, aware, and let happen what is due by then."""
        self.clock.move_to(now)
        self._script.look()

    def add_fault(self, rule: FaultRule) -> RuleCount:
        """Add a rule while the gateway runs; its times in seconds count from now on.

        Returns:
            What becomes of it.
        """
        count = self.faults.add(rule, since=self._moment().elapsed)
        self._script.wait_for(count)
        return count

    def clear_faults(self) -> None:
        """Take all rules away: no fault happens any more. What has begun goes on until its end."""
        self.faults.clear()

    def tell_all(self, notice: RequestRefused) -> None:
        """Send a notice to every client."""
        self._clients.tell_all(notice)

    async def __aenter__(self) -> Self:
        """Start listening.

        Raises:
            OSError: the address can't be listened on.
        """
        self._is_running = True
        try:
            await self._listener.start()
        except BaseException:
            self._is_running = False
            raise
        self._started = self._wall_clock.monotonic()
        self._script.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening and drop all connections."""
        if not self._is_running:
            return
        self._is_running = False
        await self._background.cancel_all()
        self._listener.stop_accepting()
        for _turn in range(_TURNS_OF_ACCEPTING):
            await asyncio.sleep(0)
        self._listener.close()
        while self._connections:
            for connection in self._connections.values():
                connection.abort()
            await asyncio.wait(list(self._connections))
        await self._background.cancel_all()
        await self._listener.wait_closed()
        if self._journal_file is not None:
            self._journal_file.close()

    def _moment(self) -> Moment:
        return Moment(self._wall_clock.monotonic() - self._started, self.clock.now())

    def _refuse_connections(self, seconds: float) -> None:
        self._listener.pause()
        self._background.later(seconds, self._listener.resume)

    def _drop_all(self, reset: bool) -> None:
        for connection in self._connections.values():
            if reset:
                connection.reset()
            else:
                connection.finish()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(writer)
        if not self._is_running or self._listener.is_paused:
            connection.abort()  # it was taken just before nobody was taken any more
            return
        session = Session(
            reader,
            connection,
            Surroundings(
                gateway=self._gateway,
                handlers=self._handlers,
                clients=self._clients,
                faults=self.faults,
                world=self._world,
                journal=self.journal,
                moment=self._moment,
                server_version=self._settings.server_version,
            ),
            background=Background(self._wall_clock),
            pacing=self.pacing.new_client(),
        )
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = connection
        try:
            await session.run()
        finally:
            del self._connections[task]


def _faults(settings: ReplaySettings) -> Faults:
    more = [parse_fault(text) for text in settings.fault]
    if settings.faults:
        return read_faults(settings.faults, more=more, seed=settings.seed)
    return Faults(more, seed=settings.seed or 0)
