"""A training host whose workers keep ledgers: the real host with another worker, as a process of its own."""

import os
import sys
from collections.abc import Sequence
from typing import Any, ClassVar

import grpc
from ktrdr.host.v1.session_pb2 import HOST_KIND_TRAINING
from ktrdr.training.v1 import training_pb2, training_pb2_grpc

from services.common.bootstrap import ServiceContext, serve
from services.common.serve_command import make_serve_command
from services.host.assembly import build_host
from services.host.folder import SessionFolder
from services.host.host import Host
from services.host.process_runner import ProcessRunner
from services.training_host.settings import TrainingHostSettings
from tests.support.host_service import ROOT


class LedgerHostSettings(TrainingHostSettings):
    """Settings of the host under fire."""

    service: ClassVar[str] = "training_host"
    cancel_grace_seconds: float = 5.0
    terminate_grace_seconds: float = 2.0


class LedgerHostService(training_pb2_grpc.TrainingHostServiceServicer):
    """Serves HostService, and StartTraining without a look at the strategy.

    Args:
        settings: As of a training host.
    """

    name = "training-host"

    def __init__(self, settings: LedgerHostSettings) -> None:
        self._settings = settings
        self._host: Host | None = None

    async def start(self, server: grpc.aio.Server, context: ServiceContext) -> Sequence[str]:
        paths = os.pathsep.join([str(ROOT), str(ROOT / "clients")])
        environment = {**os.environ, "PYTHONPATH": paths}
        runner = ProcessRunner("training", self._command, environment=environment, clock=context.clock)
        self._host = build_host(self._settings, kind=HOST_KIND_TRAINING, runner=runner, clock=context.clock)
        training_pb2_grpc.add_TrainingHostServiceServicer_to_server(self, server)
        name = self._host.register(server)
        await self._host.start()
        return [name]

    async def StartTraining(  # noqa: N802  # the contract's name
        self,
        request: training_pb2.StartTrainingRequest,
        context: "grpc.aio.ServicerContext[Any, Any]",  # noqa: ARG002  # the signature is gRPC's
    ) -> training_pb2.StartTrainingResponse:
        assert self._host is not None
        session = await self._host.sessions.start(
            spec=request.spec,
            session_id=request.session_id,
            request_id=request.request_id,
            attempt=request.attempt,
            labels=request.labels,
        )
        return training_pb2.StartTrainingResponse(session=session)

    async def begin_stop(self) -> None:
        if self._host is not None:
            await self._host.begin_stop()

    async def stop(self) -> None:
        if self._host is not None:
            await self._host.stop()

    @staticmethod
    def _command(session: SessionFolder) -> list[str]:
        return [sys.executable, "-m", "tests.support.kills.worker", "--session", str(session.path)]


async def _run(settings: LedgerHostSettings) -> int:
    # Models are not asked for here: the stub answers UNIMPLEMENTED.
    return await serve(LedgerHostService(settings), settings)  # type: ignore[abstract]


command = make_serve_command(name="training-host", settings=LedgerHostSettings, run=_run)
