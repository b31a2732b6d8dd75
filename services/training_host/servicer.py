"""TrainingHostService on the wire."""

from typing import Any

import grpc
from ktrdr.training.v1 import training_pb2, training_pb2_grpc

from services.training_host.training_start import TrainingStart


class TrainingHostServicer(training_pb2_grpc.TrainingHostServiceServicer):
    """Translates between messages and the host.

    Args:
        trainings: What accepts trainings.
    """

    def __init__(self, trainings: TrainingStart) -> None:
        self._trainings = trainings

    async def StartTraining(  # noqa: N802  # the contract's name
        self,
        request: training_pb2.StartTrainingRequest,
        context: "grpc.aio.ServicerContext[Any, Any]",  # noqa: ARG002  # the signature is gRPC's
    ) -> training_pb2.StartTrainingResponse:
        """Start a training."""
        return training_pb2.StartTrainingResponse(session=await self._trainings.start(request))
