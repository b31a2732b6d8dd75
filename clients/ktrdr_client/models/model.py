"""A trained model, as the operations service knows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ktrdr.operations.v1.operations_pb2 import AttemptRecord, Operation
from ktrdr.training.v1.training_pb2 import Artifact, TrainingResult

from ktrdr_client.errors import FailedPrecondition, NotFound
from ktrdr_client.states import is_final, state_name

WITH_MODELS: Final = "state = COMPLETED AND type = TRAINING AND attached = false"
"""The filter that operations with models match."""
NEWEST_FIRST: Final = "end_time desc"
_SHORT: Final = 12


@dataclass(frozen=True)
class Model:
    """A trained model: what is known of it without asking its host."""

    operation: Operation
    """The training that made it."""
    attempt: int
    """Which of its attempts did."""
    host: str
    """Name of the host that has its files."""
    session_id: str
    """The attempt's session on that host."""
    result: TrainingResult
    """What the training told of it."""
    end_time: datetime | None
    """When it was ready, UTC."""

    @property
    def operation_id(self) -> str:
        """Id of the training."""
        return self.operation.id

    @property
    def strategy(self) -> str:
        """Name of the strategy."""
        return self.result.strategy

    @property
    def version(self) -> str:
        """What it is known by: SHA-256, hexadecimal; "" where the host did not tell."""
        return self.result.model_version


@dataclass(frozen=True)
class ModelFiles:
    """A model with the files that its host has."""

    model: Model
    """The model."""
    version: str
    """What the files are known by together: SHA-256, hexadecimal."""
    files: Sequence[Artifact]
    """The files by name, with size and SHA-256."""


@dataclass(frozen=True)
class DownloadProgress:
    """How far a download is."""

    name: str
    """The file."""
    received_bytes: int
    """Bytes of it that are there."""
    size_bytes: int
    """Its size."""
    total_received_bytes: int
    """Bytes of all files that are there."""
    total_size_bytes: int
    """Size of all files."""


@dataclass(frozen=True)
class DownloadedModel:
    """A model whose files lie in a folder, each with the right digest."""

    model: Model
    """The model."""
    version: str
    """What all files of the model are known by together: SHA-256, hexadecimal."""
    folder: Path
    """Where they lie."""
    files: Sequence[Artifact]
    """The files that were asked for."""


def short_version(version: str) -> str:
    """Return the beginning of a model's version, as people name it."""
    return version[:_SHORT]


def model_of(operation: Operation, attempt: int = 0) -> Model:
    """Return the model that an operation has made.

    Args:
        operation: The operation.
        attempt: Of which attempt; 0 for the latest.

    Raises:
        NotFound: It is no training, or has no such attempt.
        FailedPrecondition: It has not ended, or ended without a model.
    """
    if not operation.HasField("training") and not operation.HasField("training_result"):
        message = f"operation {operation.id} is no training and has no model\n  see: ktrdr models list"
        raise NotFound(message, reason="ARTIFACT_NOT_FOUND")
    if attempt in {0, operation.attempt}:
        return _latest(operation)
    for record in operation.past_attempts:
        if record.attempt == attempt:
            return _past(operation, record)
    message = f"operation {operation.id} has no attempt {attempt}\n  see: ktrdr ops get {operation.id}"
    raise NotFound(message, reason="ARTIFACT_NOT_FOUND")


def has_model(operation: Operation) -> bool:
    """Say whether the latest attempt of an operation has made a model."""
    return operation.HasField("training_result") and operation.state == Operation.STATE_COMPLETED


def _latest(operation: Operation) -> Model:
    if not has_model(operation):
        raise _no_model(operation)
    return Model(
        operation=operation,
        attempt=operation.attempt,
        host=operation.host,
        session_id=operation.session_id,
        result=operation.training_result,
        end_time=operation.end_time.ToDatetime(tzinfo=UTC) if operation.HasField("end_time") else None,
    )


def _past(operation: Operation, record: AttemptRecord) -> Model:
    if not record.HasField("training_result"):
        state = Operation.State.Name(record.state).removeprefix("STATE_")
        message = f"attempt {record.attempt} of operation {operation.id} is {state} and has no model"
        raise FailedPrecondition(f"{message}\n  see: ktrdr ops get {operation.id}", reason="ARTIFACT_NOT_FOUND")
    return Model(
        operation=operation,
        attempt=record.attempt,
        host=record.host,
        session_id=record.session_id,
        result=record.training_result,
        end_time=record.end_time.ToDatetime(tzinfo=UTC) if record.HasField("end_time") else None,
    )


def _no_model(operation: Operation) -> FailedPrecondition:
    state = state_name(operation)
    if not is_final(operation):
        message = f"operation {operation.id} is {state}; it has a model when it is COMPLETED"
        return FailedPrecondition(f"{message}\n  wait for it: ktrdr ops wait {operation.id}", reason="WRONG_STATE")
    message = f"operation {operation.id} is {state} and has no model\n  try it again: ktrdr ops retry {operation.id}"
    return FailedPrecondition(message, reason="ARTIFACT_NOT_FOUND")
