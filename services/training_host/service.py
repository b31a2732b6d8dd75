"""The training host as a service: its parts put together."""

import sys
from collections.abc import Mapping, Sequence
from typing import Final

import grpc
from ktrdr.host.v1.session_pb2 import HostKind
from ktrdr.training.v1 import training_pb2, training_pb2_grpc

from services.common.bootstrap import ServiceContext
from services.common.clock import Clock
from services.host.allotment import Allotment
from services.host.assembly import build_host
from services.host.folder import SessionFolder
from services.host.host import Host
from services.host.process_runner import ProcessRunner
from services.host.spare.spare_workers import SpareWorkers
from services.training_host.devices import Devices, accelerator_is_likely
from services.training_host.model_files.model_files import ModelFiles
from services.training_host.servicer import TrainingHostServicer
from services.training_host.settings import TrainingHostSettings
from services.training_host.training_start import KIND, TrainingStart

FULL_NAME: Final = training_pb2.DESCRIPTOR.services_by_name["TrainingHostService"].full_name

WORKER_VARIABLES: Final = {
    # Lets cuBLAS give the same sums each time; read when torch first uses it.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    # What a worker prints is in the log when it is killed.
    "PYTHONUNBUFFERED": "1",
}


class TrainingHostService:
    """Serves TrainingHostService and HostService.

    Args:
        settings: What this host was told.
        environment: Environment of this process, which its workers get too.
    """

    name = "training-host"

    def __init__(self, settings: TrainingHostSettings, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._environment = {**environment, **WORKER_VARIABLES}
        self._devices = Devices(
            self._environment,
            look=settings.gpus == "auto" and accelerator_is_likely(),
            listed=settings.listed_gpus,
        )
        self._host: Host | None = None
        self._spares: SpareWorkers | None = None
        self._models: ModelFiles | None = None

    async def start(self, server: grpc.aio.Server, context: ServiceContext) -> Sequence[str]:
        """Register the servicers, adopt workers that still run, and go on with the queue.

        Raises:
            CannotStartError: Another host uses the folder, or its files are damaged.
            OSError: The folder cannot be used.
        """
        self._spares = self._spare_workers(context.clock)
        runner = ProcessRunner(
            KIND,
            self._worker_command,
            environment=self._environment,
            clock=context.clock,
            more_arguments=lambda allotment: ["--threads", str(allotment.threads or self._settings.threads)],
            more_environment=self._devices.worker_environment,
            spares=self._spares,
        )
        self._host = build_host(
            self._settings,
            kind=HostKind.HOST_KIND_TRAINING,
            runner=runner,
            clock=context.clock,
            describe_more=self._devices.describe,
            devices=self._devices.pool,
        )
        host_service = self._host.register(server)
        self._models = ModelFiles(self._host.sessions.find)
        servicer = TrainingHostServicer(TrainingStart(self._host.sessions, self._devices.pool), self._models)
        training_pb2_grpc.add_TrainingHostServiceServicer_to_server(servicer, server)
        await self._host.start()
        self._host.announce(context.port)
        self._devices.start()
        self._spares.start()
        return [FULL_NAME, host_service]

    async def begin_stop(self) -> None:
        """Take no new trainings, and let watches and downloads end."""
        if self._models is not None:
            self._models.begin_stop()
        if self._host is not None:
            await self._host.begin_stop()

    async def stop(self) -> None:
        """Let go of the workers, or stop them, as the settings say."""
        await self._devices.stop()
        if self._spares is not None:
            await self._spares.stop()
        if self._models is not None:
            await self._models.stop()
        if self._host is not None:
            await self._host.stop()

    def _spare_workers(self, clock: Clock) -> SpareWorkers:
        return SpareWorkers(
            self._settings.spare_workers,
            [sys.executable, "-m", "services.training_host.spare_worker", str(self._settings.folder)],
            # It sees no GPU while it loads, so that no library can come to hold one that is a session's.
            environment={**self._environment, **self._devices.worker_environment(Allotment())},
            folder=self._settings.folder,
            clock=clock,
        )

    def _worker_command(self, session: SessionFolder) -> list[str]:
        return [
            sys.executable,
            "-m",
            "services.training_host.worker",
            "--session",
            str(session.path),
            "--ib-host",
            self._settings.ib_host,
            "--bar-cache",
            str(self._settings.folder / "bar_cache"),
            "--bar-cache-mb",
            str(self._settings.bar_cache_mb),
            "--log-bytes",
            str(self._settings.log_bytes),
            "--journal-bytes",
            str(self._settings.journal_bytes),
        ]
