"""Wait for the end of an operation."""

from dataclasses import dataclass

from ktrdr.ib.v1.ib_pb2 import DataLoadResult
from ktrdr.operations.v1.operations_pb2 import Operation
from ktrdr.training.v1.training_pb2 import TrainingResult

from ktrdr_client.errors import Internal, KtrdrError
from ktrdr_client.states import is_final, state_name
from ktrdr_client.status_errors import error_from_status


@dataclass(frozen=True)
class FinishedOperation:
    """An operation that has ended, with what it brought."""

    operation: Operation
    """The whole record."""

    @property
    def id(self) -> str:
        """Id of the operation."""
        return self.operation.id

    @property
    def state(self) -> str:
        """How it ended: "COMPLETED", "FAILED" or "CANCELLED"."""
        return state_name(self.operation)

    @property
    def completed(self) -> bool:
        """It ended with a result."""
        return self.operation.state == Operation.STATE_COMPLETED

    @property
    def training(self) -> TrainingResult | None:
        """What a training produced; None for other work, or if it produced nothing."""
        return self.operation.training_result if self.operation.HasField("training_result") else None

    @property
    def data_load(self) -> DataLoadResult | None:
        """What a load brought; None for other work, or if it brought nothing."""
        return self.operation.data_load_result if self.operation.HasField("data_load_result") else None

    @property
    def error(self) -> KtrdrError | None:
        """Why it failed or was cancelled; None if it completed."""
        if self.completed:
            return None
        if self.operation.HasField("error"):
            return error_from_status(self.operation.error)
        return Internal(f"operation {self.id} is {self.state}, and nothing tells why")

    def raise_for_error(self) -> "FinishedOperation":
        """Raise the error of an operation that did not complete; return the operation otherwise.

        Raises:
            KtrdrError: Why it failed or was cancelled.
        """
        if (error := self.error) is not None:
            raise error
        return self


def finished(operation: Operation) -> FinishedOperation | None:
    """Return the operation as a finished one; None while it goes on."""
    return FinishedOperation(operation) if is_final(operation) else None
