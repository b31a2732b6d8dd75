"""Work whose every step a test decides, done by tasks of the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from ktrdr.host.v1 import host_pb2_grpc

from services.common.clock import SystemClock
from services.host.cursor import Cursor, SessionCursor
from services.host.host import Host
from services.host.settings import HostSettings
from services.host.task_runner import TaskRunner, TaskSession
from tests.support.eventually import eventually
from tests.support.host_service import KIND, served_host
from tests.support.session_worker import worker_spec


class ScriptedWork:
    """Does what the test says.

    Attributes:
        sessions: What works now, by session id.
        stubborn: Ids of sessions that do not look at their bridge.
    """

    def __init__(self) -> None:
        self.sessions: dict[str, TaskSession] = {}
        self.stubborn: set[str] = set()
        self._ends: dict[str, asyncio.Future[Message]] = {}
        self._calls: dict[str, list[Callable[[], object]]] = {}

    async def __call__(self, session: TaskSession) -> Message:
        session_id = session.folder.name
        end: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._ends[session_id] = end
        self.sessions[session_id] = session
        try:
            while not end.done():
                for call in self._calls.pop(session_id, ()):
                    call()
                if session_id not in self.stubborn:
                    session.bridge.raise_if_cancelled()
                await asyncio.wait([end], timeout=0.01)
            return end.result()
        finally:
            del self.sessions[session_id]

    def runner(self) -> TaskRunner:
        """Return a runner that does this work."""
        return TaskRunner(KIND, self, clock=SystemClock())

    async def working(self, session_id: str) -> TaskSession:
        """Wait until a session works."""
        await eventually(lambda: session_id in self.sessions)
        return self.sessions[session_id]

    async def write_epochs(self, session_id: str, first: int, last: int) -> None:
        """Write one row of two metrics for each epoch from `first` to `last`."""
        session = await self.working(session_id)
        for epoch in range(first, last + 1):
            session.bridge.on_epoch(epoch, {"train_loss": 1.0 / epoch, "val_loss": 2.0 / epoch})

    async def call_in(self, session_id: str, call: Callable[[], object]) -> None:
        """Call something in the session's own task."""
        await self.working(session_id)
        self._calls.setdefault(session_id, []).append(call)
        await eventually(lambda: session_id not in self._calls)

    def complete(self, session_id: str, **result: str | float) -> None:
        """End a session with a result."""
        self._ends[session_id].set_result(worker_spec(**result))

    def fail(self, session_id: str, error: Exception) -> None:
        """End a session with an error."""
        self._ends[session_id].set_exception(error)


class ScriptedHost:
    """A served host with scripted work.

    Attributes:
        host: The host.
        stub: A stub connected to it.
        work: What its sessions do.
    """

    def __init__(self, host: Host, stub: "host_pb2_grpc.HostServiceAsyncStub", work: ScriptedWork) -> None:
        self.host = host
        self.stub = stub
        self.work = work

    async def start(self, session_id: str, *, epochs: int = 0, **labels: str) -> None:
        """Start a session, wait until it works, and let it write some epochs."""
        await self.host.sessions.start(kind=KIND, spec=Struct(), session_id=session_id, labels=labels)
        await self.work.write_epochs(session_id, 1, epochs)

    async def complete(self, session_id: str) -> None:
        """End a session and wait until it is settled."""
        self.work.complete(session_id)
        await eventually(lambda: self.host.sessions.find(session_id).settled)

    def foreign_cursor(self, cursor: bytes, *, also: str) -> bytes:
        """Return a cursor as another host would have made it, which knows a session more."""
        own = Cursor.decode(cursor)
        sessions = {**own.sessions, also: SessionCursor("", 0, bytes(8))}
        return replace(own, host_uid="ab" * 16, sessions=sessions).encode()


@asynccontextmanager
async def scripted_host(settings: HostSettings) -> AsyncIterator[ScriptedHost]:
    """Run a host with scripted work behind a real server."""
    work = ScriptedWork()
    async with served_host(settings, work.runner()) as (host, stub):
        yield ScriptedHost(host, stub, work)
