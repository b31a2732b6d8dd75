"""What goes wrong with the store's file, as an error for clients."""

import sqlite3
from pathlib import Path
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import ServiceError

_LOCKED: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def store_error(path: Path, error: BaseException | None) -> ServiceError:
    """Return the error for a failed use of the store: nothing of it was written.

    Args:
        path: The store.
        error: What SQLite says.
    """
    if isinstance(error, sqlite3.OperationalError):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        reason = ErrorReason.ERROR_REASON_STORAGE_FULL
        if code in _LOCKED:
            return ServiceError(reason, path=str(path), detail="Another program keeps the store locked: end that.")
        return ServiceError(reason, path=str(path))
    return ServiceError(ErrorReason.ERROR_REASON_STORE_CORRUPT, path=str(path))
