"""Ids that callers may choose: what they may look like, and how one is made where none was chosen."""

import re
import uuid
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import FieldViolation, ServiceError

# Ids become names of folders, so "." and ".." and hidden names are out: the first character is a letter or digit.
ID_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
REQUEST_ID_LIMIT: Final = 128


def is_valid_id(text: str) -> bool:
    """Tell whether `text` may be the id of a session."""
    return ID_PATTERN.fullmatch(text) is not None


def checked_id(text: str, *, field: str) -> str:
    """Return the id that a request carries in `field`.

    Raises:
        ServiceError: INVALID_REQUEST; it is no valid id.
    """
    if not is_valid_id(text):
        description = 'up to 64 letters, digits, "-", "_" and ".", beginning with a letter or digit'
        raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=[FieldViolation(field, description)])
    return text


def checked_request_id(text: str, *, field: str = "request_id") -> str:
    """Return the request_id that makes a call idempotent; may be empty.

    Raises:
        ServiceError: INVALID_REQUEST; it is too long or has characters that can't be printed.
    """
    if len(text) > REQUEST_ID_LIMIT or not text.isprintable():
        description = f"up to {REQUEST_ID_LIMIT} printable characters"
        raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=[FieldViolation(field, description)])
    return text


def new_id() -> str:
    """Return a new unique id: a random UUID."""
    return str(uuid.uuid4())
