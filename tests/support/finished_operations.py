"""Operations as they end, for tests of what is told about them."""

import time

import grpc
from ktrdr.host.v1 import metrics_pb2
from ktrdr.ib.v1 import bars_pb2
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1.operations_pb2 import Operation
from ktrdr.training.v1 import training_pb2

from tests.support.simulated_operations import rich_status


def running_training(operation_id: str, name: str = "swing") -> Operation:
    """Return a training in its second epoch."""
    operation = Operation(
        id=operation_id,
        display_name=name,
        type=pb.OPERATION_TYPE_TRAINING,
        state=Operation.STATE_RUNNING,
        attempt=1,
        host="training-host",
        session_id=f"{operation_id}-1",
        training=training_pb2.TrainingSpec(strategy="name: swing\n"),
        liveness=pb.LIVENESS_FRESH,
    )
    operation.progress.phase = "train"
    operation.progress.fraction = 0.5
    operation.progress.step = "epoch 2/4"
    operation.latest_metrics.add(name="val_loss", value=0.75, step=2, seq=2)
    operation.create_time.GetCurrentTime()
    operation.start_time.GetCurrentTime()
    operation.update_time.GetCurrentTime()
    return operation


def completed(operation: Operation) -> Operation:
    """Return a training as it completes."""
    ended = Operation()
    ended.CopyFrom(operation)
    ended.state = Operation.STATE_COMPLETED
    ended.liveness = pb.LIVENESS_UNSPECIFIED
    ended.end_time.GetCurrentTime()
    result = training_pb2.TrainingResult(
        strategy="swing", symbols=["AAPL"], bars=3270, source=bars_pb2.SOURCE_REPLAY, epochs=4, best_epoch=3,
        best_validation_loss=0.7123, test_accuracy=0.471, majority_accuracy=0.44, artifact_folder="/models/swing",
    )  # fmt: skip
    result.first_bar_time.FromJsonString("2000-03-01T00:00:00Z")
    result.last_bar_time.FromJsonString("2013-03-01T00:00:00Z")
    ended.training_result.CopyFrom(result)
    return ended


def failed(operation: Operation, reason: str = "WORKER_KILLED", message: str = "the worker was ended") -> Operation:
    """Return an operation as it fails."""
    ended = Operation()
    ended.CopyFrom(operation)
    ended.state = Operation.STATE_FAILED
    ended.end_time.GetCurrentTime()
    ended.error.CopyFrom(rich_status(grpc.StatusCode.ABORTED, reason, message, signal="SIGKILL"))
    return ended


def cancelled(operation: Operation) -> Operation:
    """Return an operation as it ends on request."""
    ended = Operation()
    ended.CopyFrom(operation)
    ended.state = Operation.STATE_CANCELLED
    ended.end_time.GetCurrentTime()
    ended.error.CopyFrom(rich_status(grpc.StatusCode.CANCELLED, "CANCELLED", "stopped on request"))
    return ended


def history(name: str, values: list[float], *, first_seq: int = 0, incarnation: str = "a" * 32) -> pb.MetricHistory:
    """Return points of a series, one a step from step first_seq + 1 on."""
    count = len(values)
    points = metrics_pb2.MetricSeries(
        name=name,
        first_seq=first_seq,
        steps=range(first_seq + 1, first_seq + count + 1),
        values=values,
        times=[time.time_ns() + index for index in range(count)],
    )
    return pb.MetricHistory(incarnation=incarnation, points=points)
