"""Typed stubs on asyncio channels.

At run time one class serves both kinds of channels; the one for grpc.aio exists for type checkers alone.
"""

from typing import TYPE_CHECKING

import grpc
from ktrdr.ib.v1.ib_pb2_grpc import IbHostServiceStub
from ktrdr.operations.v1.operations_pb2_grpc import OperationsServiceStub
from ktrdr.training.v1.training_pb2_grpc import TrainingHostServiceStub

if TYPE_CHECKING:
    from ktrdr.ib.v1.ib_pb2_grpc import IbHostServiceAsyncStub
    from ktrdr.operations.v1.operations_pb2_grpc import OperationsServiceAsyncStub
    from ktrdr.training.v1.training_pb2_grpc import TrainingHostServiceAsyncStub


def operations_stub(channel: grpc.aio.Channel) -> "OperationsServiceAsyncStub":
    """Return the operations service behind a channel."""
    return OperationsServiceStub(channel)  # type: ignore[return-value]  # see above


def ib_host_stub(channel: grpc.aio.Channel) -> "IbHostServiceAsyncStub":
    """Return the IB host behind a channel."""
    return IbHostServiceStub(channel)  # type: ignore[return-value]  # see above


def training_host_stub(channel: grpc.aio.Channel) -> "TrainingHostServiceAsyncStub":
    """Return the training host behind a channel."""
    return TrainingHostServiceStub(channel)  # type: ignore[return-value]  # see above
