"""What a call can raise: one class for each family of refusals.

Every error of the services is a `KtrdrError`. Which class it is follows from the gRPC status; `reason` says what
exactly happened, in the words of `ktrdr.host.v1.ErrorReason` without its prefix:

| class | gRPC status | for instance |
|---|---|---|
| `InvalidArgument` | INVALID_ARGUMENT | STRATEGY_INVALID, with one entry in `fields` for each fault |
| `NotFound` | NOT_FOUND | OPERATION_NOT_FOUND |
| `AlreadyExists` | ALREADY_EXISTS | REQUEST_ID_REUSED |
| `FailedPrecondition` | FAILED_PRECONDITION | BARS_MISSING, NO_HOST_OF_KIND |
| `OutOfRange` | OUT_OF_RANGE | REVISION_OUT_OF_RANGE |
| `PermissionDenied` | PERMISSION_DENIED, UNAUTHENTICATED | GATEWAY_NO_PERMISSION |
| `ResourceExhausted` | RESOURCE_EXHAUSTED | QUEUE_FULL, with `retry_after` |
| `Aborted` | ABORTED | DATASET_BUSY |
| `Unavailable` | UNAVAILABLE | the service does not answer |
| `DeadlineExceeded` | DEADLINE_EXCEEDED | GATEWAY_TIMEOUT, or the call's own deadline |
| `Cancelled` | CANCELLED | work that was stopped on request |
| `DataLoss` | DATA_LOSS | STORE_CORRUPT |
| `Internal` | everything else | a fault of the service |
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple


class FieldFault(NamedTuple):
    """What is wrong with one field of a request."""

    field: str
    """Path of the field, such as "training.epochs"."""
    description: str
    """What is wrong with it, and what is allowed."""

    def __str__(self) -> str:
        return f"{self.field}: {self.description}" if self.field else self.description


class KtrdrError(Exception):
    """Something that was asked for could not be done.

    Attributes:
        message: What happened and what to do next, for people.
        reason: What happened, for programs: UPPER_SNAKE, or "" where the answer carried none.
        metadata: Further facts by name, as the service gave them.
        fields: The faults of single fields of the request.
        retry_after: Time after which trying again makes sense, where the service named one.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        fields: Sequence[FieldFault] = (),
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.metadata: Mapping[str, str] = dict(metadata or {})
        self.fields = tuple(fields)
        self.retry_after = retry_after

    def __str__(self) -> str:
        untold = [fault for fault in self.fields if fault.description not in self.message]
        return "\n".join([self.message, *(f"  {fault}" for fault in untold)])


class InvalidArgument(KtrdrError):
    """The request is wrong; `fields` names what is."""


class NotFound(KtrdrError):
    """There is no such thing."""


class AlreadyExists(KtrdrError):
    """The id is taken by something else."""


class FailedPrecondition(KtrdrError):
    """Something has to be done first."""


class OutOfRange(KtrdrError):
    """The position to go on from is not known (any more)."""


class PermissionDenied(KtrdrError):
    """The account or the caller may not do this."""


class ResourceExhausted(KtrdrError):
    """A limit is reached; `retry_after` says when to try again."""


class Aborted(KtrdrError):
    """Somebody else was at it at the same time; try again."""


class Unavailable(KtrdrError):
    """A service does not answer."""


class DeadlineExceeded(KtrdrError):
    """There was no answer in time."""


class Cancelled(KtrdrError):
    """It was stopped on request."""


class DataLoss(KtrdrError):
    """Stored data or a stream cannot be read as what it should be."""


class Internal(KtrdrError):
    """A fault of the service itself."""


class MissingLibrary(KtrdrError, ImportError):
    """An optional library is not installed; the message says how to get it."""


class WaitTimeout(KtrdrError, TimeoutError):
    """The time to wait is over; the work goes on."""
