"""TrainingHostService on the wire: translates between messages and the host."""
# ruff: noqa: N802, ARG002 -- names and signatures are those of the contract

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
from ktrdr.training.v1 import training_pb2, training_pb2_grpc

from services.training_host.model_files.model_files import ModelFiles
from services.training_host.training_start import TrainingStart

Context = grpc.aio.ServicerContext[Any, Any]


class TrainingHostServicer(training_pb2_grpc.TrainingHostServiceServicer):
    """Serves a training host.

    Args:
        trainings: What accepts trainings.
        models: The files of models.
    """

    def __init__(self, trainings: TrainingStart, models: ModelFiles) -> None:
        self._trainings = trainings
        self._models = models

    async def StartTraining(
        self, request: training_pb2.StartTrainingRequest, context: Context
    ) -> training_pb2.StartTrainingResponse:
        """Start a training."""
        return training_pb2.StartTrainingResponse(session=await self._trainings.start(request))

    async def ListArtifacts(
        self, request: training_pb2.ListArtifactsRequest, context: Context
    ) -> training_pb2.ListArtifactsResponse:
        """List the files of a model."""
        return await self._models.listing.list(request)

    async def DownloadArtifact(
        self, request: training_pb2.DownloadArtifactRequest, context: Context
    ) -> AsyncIterator[training_pb2.DownloadArtifactResponse]:
        """Send a file of a model."""
        async with aclosing(self._models.downloads.send(request)) as responses:
            async for response in responses:
                yield response
