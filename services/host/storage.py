"""Say that files cannot be written."""

from pathlib import Path

from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import ServiceError


def storage_full(path: Path, error: OSError) -> ServiceError:
    """Return the error for clients, with what the system says, such as "No space left on device"."""
    detail = f"The system says: {error.strerror}." if error.strerror else ""
    return ServiceError(ErrorReason.ERROR_REASON_STORAGE_FULL, path=str(path), detail=detail)
