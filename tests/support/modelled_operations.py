"""Operations whose trainings have models, in a simulated registry."""

from collections.abc import Mapping
from datetime import timedelta

from ktrdr.host.v1.session_pb2 import HOST_KIND_TRAINING
from ktrdr.operations.v1.operations_pb2 import HostRecord, Operation

from services.host.folder import SessionFolder
from tests.support.finished_operations import completed, running_training
from tests.support.model_folders import FILES, artifacts_of, version_of
from tests.support.simulated_operations import SimulatedRegistry

HOST = "gpu"


def training_with_model(
    operation_id: str, session: SessionFolder, files: Mapping[str, bytes] = FILES, *, name: str = "swing"
) -> Operation:
    """Return a completed training whose model is in this session.

    Args:
        operation_id: Its id.
        session: The session of its only attempt.
        files: The files of the model.
        name: Its name for people.
    """
    operation = completed(running_training(operation_id, name))
    operation.host, operation.session_id = HOST, session.id
    result = operation.training_result
    result.timeframes.append("1d")
    result.model_version = version_of(session)
    result.artifacts.extend(artifacts_of(files))
    return operation


def ended_before(operation: Operation, time: timedelta) -> Operation:
    """Return the operation as if it had ended earlier by so much."""
    operation.end_time.FromDatetime(operation.end_time.ToDatetime() - time)
    return operation


def follow_host(registry: SimulatedRegistry, address: str) -> None:
    """Let the registry follow the training host at an address."""
    record = HostRecord(name=HOST, kind=HOST_KIND_TRAINING, address=address, state=HostRecord.STATE_UP)
    registry.hosts[:] = [HostRecord(name="other", kind=HOST_KIND_TRAINING, address="127.0.0.1:1"), record]
