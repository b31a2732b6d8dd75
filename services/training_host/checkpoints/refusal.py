"""The error of a training that cannot go on from a checkpoint."""

from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import ServiceError


def checkpoint_not_found(session_id: str, detail: str) -> ServiceError:
    """There is no checkpoint that the training could go on from.

    Args:
        session_id: Session whose checkpoint was asked for.
        detail: Why there is none, as whole sentences.
    """
    return ServiceError(ErrorReason.ERROR_REASON_CHECKPOINT_NOT_FOUND, session_id=session_id, detail=detail)
