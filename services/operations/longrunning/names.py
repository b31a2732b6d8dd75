"""Names of long-running operations: `operations/ID` is the latest attempt, `operations/ID@N` a certain one."""

import re
from dataclasses import dataclass
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import FieldViolation, ServiceError

COLLECTION: Final = "operations"
_NAME: Final = re.compile(rf"{COLLECTION}/(?P<id>[^/@]+)(?:@(?P<attempt>[1-9][0-9]{{0,8}}))?")


@dataclass(frozen=True)
class OperationName:
    """A name, taken apart."""

    operation_id: str
    """Id in the registry."""
    attempt: int | None = None
    """The attempt that is meant; None for the latest."""

    def __str__(self) -> str:
        attempt = "" if self.attempt is None else f"@{self.attempt}"
        return f"{COLLECTION}/{self.operation_id}{attempt}"


def parse_name(text: str) -> OperationName:
    """Take a name apart.

    Raises:
        ServiceError: INVALID_REQUEST: it has another form.
    """
    match = _NAME.fullmatch(text)
    if match is None:
        raise _refused(f"{COLLECTION}/ID or {COLLECTION}/ID@ATTEMPT")
    return OperationName(match["id"], int(match["attempt"]) if match["attempt"] else None)


def check_collection(text: str) -> None:
    """Check the name of what is listed.

    Raises:
        ServiceError: INVALID_REQUEST: there is one collection only.
    """
    if text not in {"", COLLECTION}:
        raise _refused(f'"{COLLECTION}"')


def check_whole(name: OperationName) -> None:
    """Check that a name stands for an operation with all its attempts.

    Raises:
        ServiceError: INVALID_REQUEST: it names one attempt.
    """
    if name.attempt is not None:
        raise _refused(f"{COLLECTION}/{name.operation_id}: an attempt is not deleted by itself")


def _refused(allowed: str) -> ServiceError:
    fields = [FieldViolation("name", allowed)]
    return ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=fields, detail=f"name: {allowed}.")
