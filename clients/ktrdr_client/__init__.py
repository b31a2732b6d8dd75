"""Follow and steer KTRDR operations from Python.

A script needs no asyncio:

    from ktrdr_client import Client

    with Client("127.0.0.1:5003") as client:
        operation = client.create_training(open("strategy.yaml").read())
        finished = client.wait(operation.id).raise_for_error()
        print(finished.training.test_accuracy)

`AsyncClient` is the same for programs that use it. Errors are exceptions of `ktrdr_client.errors`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ktrdr.ib.v1.bars_pb2 import Dataset, Instrument
    from ktrdr.operations.v1.operations_pb2 import HostRecord, Operation

    from ktrdr_client.async_client import DEFAULT_ADDRESS, AsyncClient
    from ktrdr_client.bars import Bars
    from ktrdr_client.client import Client
    from ktrdr_client.errors import (
        Aborted,
        AlreadyExists,
        Cancelled,
        DataLoss,
        DeadlineExceeded,
        FailedPrecondition,
        FieldFault,
        Internal,
        InvalidArgument,
        KtrdrError,
        MissingLibrary,
        NotFound,
        OutOfRange,
        PermissionDenied,
        ResourceExhausted,
        Unavailable,
        WaitTimeout,
    )
    from ktrdr_client.logs import LogEntry
    from ktrdr_client.metrics import MetricColumns, Metrics
    from ktrdr_client.models.model import DownloadedModel, DownloadProgress, Model, ModelFiles
    from ktrdr_client.waiting import FinishedOperation
    from ktrdr_client.watch_events import OperationChanged, OperationDeleted, OperationLeft, PointsAdded, WatchEvent

__all__ = [
    "AsyncClient", "Client", "DEFAULT_ADDRESS",
    "Operation", "FinishedOperation", "Metrics", "MetricColumns", "LogEntry", "HostRecord", "Instrument", "Dataset",
    "Model", "ModelFiles", "DownloadedModel", "DownloadProgress",
    "Bars", "WatchEvent", "OperationChanged", "OperationLeft", "OperationDeleted", "PointsAdded",
    "KtrdrError", "FieldFault", "InvalidArgument", "NotFound", "AlreadyExists", "FailedPrecondition", "OutOfRange",
    "PermissionDenied", "ResourceExhausted", "Aborted", "Unavailable", "DeadlineExceeded", "Cancelled", "DataLoss",
    "Internal", "WaitTimeout", "MissingLibrary",
]  # fmt: skip

# Loaded at first use: `ktrdr --help` must not pay for gRPC.
_HOMES: Final = {
    "AsyncClient": "ktrdr_client.async_client",
    "DEFAULT_ADDRESS": "ktrdr_client.async_client",
    "Client": "ktrdr_client.client",
    "FinishedOperation": "ktrdr_client.waiting",
    "Metrics": "ktrdr_client.metrics",
    "MetricColumns": "ktrdr_client.metrics",
    "Bars": "ktrdr_client.bars",
    "Model": "ktrdr_client.models.model",
    "ModelFiles": "ktrdr_client.models.model",
    "DownloadedModel": "ktrdr_client.models.model",
    "DownloadProgress": "ktrdr_client.models.model",
    "WatchEvent": "ktrdr_client.watch_events",
    "OperationChanged": "ktrdr_client.watch_events",
    "OperationLeft": "ktrdr_client.watch_events",
    "OperationDeleted": "ktrdr_client.watch_events",
    "PointsAdded": "ktrdr_client.watch_events",
    "LogEntry": "ktrdr_client.logs",
    "Operation": "ktrdr.operations.v1.operations_pb2",
    "HostRecord": "ktrdr.operations.v1.operations_pb2",
    "Instrument": "ktrdr.ib.v1.bars_pb2",
    "Dataset": "ktrdr.ib.v1.bars_pb2",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(_HOMES.get(name, "ktrdr_client.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
