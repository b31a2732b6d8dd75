"""A training host for tests: a real server, real workers, and stubs connected to it."""

import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import grpc
from google.rpc import error_details_pb2, status_pb2
from ktrdr.host.v1 import host_pb2, host_pb2_grpc
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.training.v1 import training_pb2, training_pb2_grpc

from services.common.bootstrap import running_server
from services.common.channel import open_channel
from services.common.errors import error_info
from services.training_host.service import TrainingHostService
from services.training_host.settings import TrainingHostSettings
from tests.support.eventually import eventually
from tests.support.trainings import reference_text

FINAL = (Session.STATE_COMPLETED, Session.STATE_FAILED, Session.STATE_CANCELLED)


@dataclass(frozen=True)
class TrainingCalls:
    """What tests ask a training host for."""

    service: TrainingHostService
    channel: grpc.aio.Channel
    address: str
    trainings: "training_pb2_grpc.TrainingHostServiceAsyncStub"
    host: "host_pb2_grpc.HostServiceAsyncStub"

    async def start(self, spec: training_pb2.TrainingSpec, **fields: Any) -> Session:
        """Start a training."""
        request = training_pb2.StartTrainingRequest(spec=spec, **fields)
        return (await self.trainings.StartTraining(request, timeout=60)).session

    async def session(self, session_id: str) -> Session:
        """Return a session as it is now."""
        return await self.host.GetSession(host_pb2.GetSessionRequest(session_id=session_id), timeout=60)

    async def end(self, session_id: str) -> Session:
        """Wait for the end of a session."""
        sessions: list[Session] = []

        async def ended() -> bool:
            sessions[:] = [await self.session(session_id)]
            return sessions[0].state in FINAL

        await eventually(ended, timeout_seconds=150)
        return sessions[0]


def local_spec(path: Path, text: str | None = None, **overrides: str) -> training_pb2.TrainingSpec:
    """Return a spec that trains the reference strategy on a file; in names of overrides `__` stands for a dot."""
    return training_pb2.TrainingSpec(
        strategy=reference_text() if text is None else text,
        overrides={name.replace("__", "."): value for name, value in overrides.items()},
        local=training_pb2.LocalBars(path=str(path)),
    )


@contextlib.asynccontextmanager
async def served_training_host(home: Path, **settings: Any) -> AsyncIterator[TrainingCalls]:
    """Run a training host that stops its workers when it stops."""
    options: dict[str, Any] = {
        "cancel_grace_seconds": 0.5,
        "terminate_grace_seconds": 2.0,
        "on_stop": "stop",
    } | settings
    host_settings = TrainingHostSettings(home=home, port=0, **options)
    service = TrainingHostService(host_settings, os.environ)
    async with (
        running_server(service, host_settings) as server,
        open_channel(server.address) as channel,
    ):
        yield TrainingCalls(
            service,
            channel,
            server.address,
            cast("training_pb2_grpc.TrainingHostServiceAsyncStub", training_pb2_grpc.TrainingHostServiceStub(channel)),
            cast("host_pb2_grpc.HostServiceAsyncStub", host_pb2_grpc.HostServiceStub(channel)),
        )


def reason_and_fields(status: status_pb2.Status) -> tuple[str, dict[str, str]]:
    """Return the reason of a status, and its field violations."""
    info = error_info(status)
    fields: dict[str, str] = {}
    for detail in status.details:
        bad_request = error_details_pb2.BadRequest()
        if detail.Is(bad_request.DESCRIPTOR) and detail.Unpack(bad_request):
            fields |= {violation.field: violation.description for violation in bad_request.field_violations}
    return "" if info is None else info.reason, fields
