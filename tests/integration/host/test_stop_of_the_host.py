"""A host process that is told to go: what becomes of its workers, and what a second signal does."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from ktrdr.host.v1 import host_pb2, host_pb2_grpc
from ktrdr.host.v1.session_pb2 import Session
from ktrdr_bridge import read_control

from services.common.channel import open_channel
from services.common.errors import error_info
from services.host.folder import SessionFolder
from services.host.runner import Liveness
from services.host.worker_evidence import look
from tests.support.eventually import eventually
from tests.support.host_service import KIND, ProbeHostSettings, running_host
from tests.support.session_worker import worker_spec

pytestmark = pytest.mark.kill


class HostProcess:
    """A host in a process of its own that has adopted the sessions of a folder."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        self.process = process
        self.address = address

    async def session(self, session_id: str) -> Session:
        async with open_channel(self.address) as channel:
            stub = cast("host_pb2_grpc.HostServiceAsyncStub", host_pb2_grpc.HostServiceStub(channel))
            return await stub.GetSession(host_pb2.GetSessionRequest(session_id=session_id), timeout=60)

    async def alive(self, session_id: str) -> None:
        """Wait until it follows the session's worker."""

        async def is_alive() -> bool:
            return (await self.session(session_id)).worker_liveness == Session.WORKER_LIVENESS_ALIVE

        await eventually(is_alive)

    async def end(self) -> int:
        return await asyncio.wait_for(self.process.wait(), 60)


@contextlib.asynccontextmanager
async def host_process(home: Path, *flags: str) -> AsyncIterator[HostProcess]:
    ready = home / "ready"
    ready.unlink(missing_ok=True)
    arguments = ["-m", "tests.support.host_service", "--home", str(home), "--ready-file", str(ready), "--port", "0"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, *flags, stderr=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await eventually(ready.exists)
        yield HostProcess(process, json.loads(ready.read_text())["address"])
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def start(settings: ProbeHostSettings, end: str) -> SessionFolder:
    """Start a worker that goes on without its host."""
    async with running_host(settings) as host:
        await host.sessions.start(kind=KIND, spec=worker_spec(epochs=2, end=end), session_id="one")
        await eventually(lambda: host.sessions.get("one").progress.step == "staying")
    return SessionFolder(settings.folder / "sessions" / "one")


async def outcome(settings: ProbeHostSettings) -> tuple[Session.State.ValueType, str]:
    async with running_host(settings) as host:
        await eventually(lambda: host.sessions.find("one").settled)
        session = host.sessions.get("one")
    info = error_info(session.error)
    return session.state, "" if info is None else info.reason


async def test_workers_are_left_for_the_next_start(settings: ProbeHostSettings, tmp_path: Path) -> None:
    folder = await start(settings, "wait")
    async with host_process(tmp_path) as host:
        await host.alive("one")
        host.process.terminate()
        assert await host.end() == 0
    assert look(folder).liveness is Liveness.ALIVE
    assert read_control(folder.control) is None
    assert not folder.settled_record.exists()


@pytest.mark.parametrize(("mode", "reason"), [("stop", "CANCELLED"), ("checkpoint", "HOST_STOPPED")])
async def test_workers_are_stopped_with_the_host(
    settings: ProbeHostSettings, tmp_path: Path, mode: str, reason: str
) -> None:
    folder = await start(settings, "wait")
    async with host_process(tmp_path, "--on-stop", mode, "--stop-grace-seconds", "60") as host:
        await host.alive("one")
        host.process.terminate()
        assert await host.end() == 0
    assert folder.settled_record.exists(), "settled before the host was gone"
    assert await outcome(settings) == (Session.STATE_CANCELLED, reason)


async def test_a_second_signal_ends_the_host_at_once(settings: ProbeHostSettings, tmp_path: Path) -> None:
    folder = await start(settings, "hang")
    async with host_process(tmp_path, "--on-stop", "checkpoint", "--stop-grace-seconds", "600") as host:
        await host.alive("one")
        host.process.terminate()
        await eventually(lambda: read_control(folder.control))
        host.process.terminate()
        assert await host.end() == -signal.SIGTERM
    assert look(folder).liveness is Liveness.ALIVE, "the worker is left to the next start"
    # What it was asked is not forgotten, and its grace runs on.
    later = settings.model_copy(update={"stop_grace_seconds": 0.0})
    assert await outcome(later) == (Session.STATE_CANCELLED, "HOST_STOPPED")
