"""A training host whose every training only burns a core: `python -m benchmarks.burning_host HOME READY_FILE`."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
from ktrdr.host.v1.session_pb2 import HostKind
from ktrdr.training.v1 import training_pb2, training_pb2_grpc

from services.common.bootstrap import ServiceContext, serve
from services.common.log import configure_logging
from services.host.assembly import build_host
from services.host.folder import SessionFolder
from services.host.host import Host
from services.host.process_runner import ProcessRunner
from services.training_host.settings import TrainingHostSettings


class BurningHostService(training_pb2_grpc.TrainingHostServiceServicer):
    """The real host, with another worker.

    Args:
        settings: As of a training host.
    """

    name = "burning-host"

    def __init__(self, settings: TrainingHostSettings) -> None:
        self._settings = settings
        self._host: Host | None = None

    async def start(self, server: grpc.aio.Server, context: ServiceContext) -> Sequence[str]:
        """Register the servicers and start the host."""
        runner = ProcessRunner("training", self._command, environment=os.environ, clock=context.clock)
        self._host = build_host(self._settings, kind=HostKind.HOST_KIND_TRAINING, runner=runner, clock=context.clock)
        training_pb2_grpc.add_TrainingHostServiceServicer_to_server(self, server)
        name = self._host.register(server)
        await self._host.start()
        return [name]

    async def StartTraining(  # noqa: N802 - the contract's name
        self,
        request: training_pb2.StartTrainingRequest,
        context: "grpc.aio.ServicerContext[Any, Any]",  # noqa: ARG002 - the signature is gRPC's
    ) -> training_pb2.StartTrainingResponse:
        """Start a worker that burns."""
        assert self._host is not None
        return training_pb2.StartTrainingResponse(session=await self._host.sessions.start(spec=request.spec))

    async def begin_stop(self) -> None:
        """Let watches end."""
        if self._host is not None:
            await self._host.begin_stop()

    async def stop(self) -> None:
        """Stop what runs."""
        if self._host is not None:
            await self._host.stop()

    @staticmethod
    def _command(session: SessionFolder) -> list[str]:
        return [sys.executable, "-m", "benchmarks.burning_worker", str(session.path)]


if __name__ == "__main__":
    configured = TrainingHostSettings(
        home=Path(sys.argv[1]), port=0, ready_file=Path(sys.argv[2]), on_stop="stop", log_level="warning"
    )
    configure_logging(level=configured.log_level, form="console", service=BurningHostService.name)
    # Models are not asked for here: the stub answers UNIMPLEMENTED.
    service = BurningHostService(configured)  # type: ignore[abstract]
    sys.exit(asyncio.run(serve(service, configured)))
