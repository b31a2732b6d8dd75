"""A server of models whose streams break when a test wants it; everything under the streams is the real thing."""

# ruff: noqa: N802, ARG002 - names and signatures are those of the contract

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from ktrdr.training.v1 import training_pb2, training_pb2_grpc

from services.common.interceptors.errors import ErrorInterceptor
from services.training_host.model_files.model_files import ModelFiles
from tests.support.modelled_session import ModelledSession


@dataclass
class Fragility:
    """What happens to downloads."""

    break_after: list[int | None] = field(default_factory=list)
    """Messages after which the next streams break, one after the other; None for a stream that is whole."""
    hold_after: int | None = None
    """Messages after which all streams stand still until `release` is set."""
    release: asyncio.Event = field(default_factory=asyncio.Event)
    end_early: bool = False
    """Streams break by ending in good order."""
    spoil: Callable[[bytes], bytes] | None = None
    """Makes other bytes of the file's."""
    requests: list[training_pb2.DownloadArtifactRequest] = field(default_factory=list)
    holding: int = 0
    """Streams that stand still now."""


class FragileModels(training_pb2_grpc.TrainingHostServiceServicer):
    """Serves the models of sessions.

    Args:
        models: The models.
        fragility: What happens to their downloads.
    """

    def __init__(self, models: ModelFiles, fragility: Fragility) -> None:
        self._models = models
        self._fragility = fragility

    async def StartTraining(
        self, request: training_pb2.StartTrainingRequest, context: Any
    ) -> training_pb2.StartTrainingResponse:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "nothing is trained here")
        raise AssertionError("abort always raises")

    async def ListArtifacts(
        self, request: training_pb2.ListArtifactsRequest, context: Any
    ) -> training_pb2.ListArtifactsResponse:
        return await self._models.listing.list(request)

    async def DownloadArtifact(
        self, request: training_pb2.DownloadArtifactRequest, context: Any
    ) -> AsyncIterator[training_pb2.DownloadArtifactResponse]:
        fragility = self._fragility
        fragility.requests.append(request)
        limit = fragility.break_after.pop(0) if fragility.break_after else None
        sent = 0
        async with aclosing(self._models.downloads.send(request)) as messages:
            async for message in messages:
                if sent == limit:
                    if not fragility.end_early:
                        await context.abort(grpc.StatusCode.UNAVAILABLE, "the stream was cut")
                    return
                if sent == fragility.hold_after:
                    fragility.holding += 1
                    await fragility.release.wait()
                if fragility.spoil is not None and message.data:
                    message.data = fragility.spoil(message.data)
                yield message
                sent += 1


@asynccontextmanager
async def fragile_models(*sessions: ModelledSession) -> AsyncIterator[tuple[Fragility, str]]:
    """Serve the models of sessions; yields what tests break them with, and the address."""
    by_id = {session.id: session for session in sessions}
    models, fragility = ModelFiles(lambda session_id: by_id[session_id]), Fragility()
    server = grpc.aio.server(
        interceptors=[ErrorInterceptor()],
        options=[("grpc.so_reuseport", 0), ("grpc.http2.min_ping_interval_without_data_ms", 5_000)],
    )
    training_pb2_grpc.add_TrainingHostServiceServicer_to_server(FragileModels(models, fragility), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield fragility, f"127.0.0.1:{port}"
    finally:
        fragility.release.set()
        await server.stop(0)
        await models.stop()
