"""A host for tests: real folders, real keepers and workers, a real server."""

import contextlib
import os
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import ClassVar, Final, cast

import grpc
import psutil
from ktrdr.host.v1 import host_pb2_grpc
from ktrdr.host.v1.session_pb2 import HOST_KIND_TRAINING
from pydantic import Field

from services.common.bootstrap import ServiceContext, running_server, serve
from services.common.channel import open_channel
from services.common.clock import Clock, SystemClock
from services.common.serve_command import make_serve_command
from services.common.settings import Port
from services.host.assembly import build_host
from services.host.folder import SessionFolder
from services.host.host import Host
from services.host.process_runner import ProcessRunner
from services.host.runner import SessionRunner
from services.host.settings import HostSettings
from services.host.spare.spare_workers import SpareWorkers
from tests.support.eventually import eventually_sync

ROOT: Final = Path(__file__).parents[2]
KIND: Final = "training"


class ProbeHostSettings(HostSettings):
    """Settings of the host under test: short graces."""

    service: ClassVar[str] = "training_host"
    port: Port = 0
    slots: int = 2
    cancel_grace_seconds: float = 0.3
    terminate_grace_seconds: float = Field(default=0.3)
    reader_grace_seconds: float = 0.0


class ProbeHost:
    """Serves HostService alone; sessions are started through `host.sessions`."""

    name = "probe-host"

    def __init__(self, settings: HostSettings, runner: SessionRunner | None = None) -> None:
        self.host = make_host(settings, runner)

    async def start(self, server: grpc.aio.Server, context: ServiceContext) -> Sequence[str]:
        name = self.host.register(server)
        await self.host.start()
        self.host.announce(context.port)
        return [name]

    async def begin_stop(self) -> None:
        await self.host.begin_stop()

    async def stop(self) -> None:
        await self.host.stop()


def make_host(settings: HostSettings, runner: SessionRunner | None = None, clock: Clock | None = None) -> Host:
    """Return a host that is not started."""
    return build_host(
        settings, kind=HOST_KIND_TRAINING, runner=runner or process_runner(), clock=clock or SystemClock()
    )


def process_runner(spares: SpareWorkers | None = None) -> ProcessRunner:
    """Return a runner whose workers do what their spec says."""
    return ProcessRunner(
        KIND,
        worker_command,
        environment=worker_environment(),
        clock=SystemClock(),
        more_environment=lambda allotment: {"DEVICES": ",".join(allotment.devices)},
        spares=spares,
    )


def spare_workers(settings: HostSettings, count: int, clock: Clock) -> SpareWorkers:
    """Return spares for `process_runner`."""
    return SpareWorkers(
        count, spare_command(settings), environment=worker_environment(), folder=settings.folder, clock=clock
    )


def spare_command(settings: HostSettings) -> list[str]:
    """Return the command line of a spare."""
    return [sys.executable, "-m", "tests.support.spare_session_worker", str(settings.folder)]


def worker_environment() -> dict[str, str]:
    """Return the environment of workers: they find the code under test."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "clients")])}


def worker_command(session: SessionFolder) -> Sequence[str]:
    """Return the command line of a worker."""
    return [sys.executable, "-m", "tests.support.session_worker", "--session", str(session.path)]


@contextlib.asynccontextmanager
async def running_host(
    settings: HostSettings, runner: SessionRunner | None = None, clock: Clock | None = None
) -> AsyncIterator[Host]:
    """Run a host without a server."""
    host = make_host(settings, runner, clock)
    await host.start()
    try:
        yield host
    finally:
        await host.begin_stop()
        await host.stop()


@contextlib.asynccontextmanager
async def served_host(
    settings: HostSettings, runner: SessionRunner | None = None
) -> AsyncIterator[tuple[Host, "host_pb2_grpc.HostServiceAsyncStub"]]:
    """Run a host behind a real server, with a stub connected to it."""
    service = ProbeHost(settings, runner)
    async with running_server(service, settings) as server, open_channel(server.address) as channel:
        yield service.host, cast("host_pb2_grpc.HostServiceAsyncStub", host_pb2_grpc.HostServiceStub(channel))


def sigkill(pid: int) -> None:
    """End one process at once, as a crash would."""
    psutil.Process(pid).kill()


def session_processes(home: Path) -> list[psutil.Process]:
    """Return the keepers and workers of sessions below `home` that have not ended."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = process.info["cmdline"] or []
        if any(str(home) in word for word in line) and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def end_session_processes(home: Path) -> None:
    """End the keepers and workers that a test has left, by their ids, and wait until they are gone."""
    for process in session_processes(home):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    eventually_sync(lambda: not session_processes(home))


async def _run(settings: ProbeHostSettings) -> int:
    return await serve(ProbeHost(settings), settings)


command = make_serve_command(
    name="training-host", settings=ProbeHostSettings, run=_run, help_text="Serve a host that starts nothing by itself."
)

if __name__ == "__main__":
    sys.exit(command())
