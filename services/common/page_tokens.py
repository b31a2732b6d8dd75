"""Tokens of pages: opaque to clients, and bound to the list that made them."""

import base64
import binascii
import hashlib
import json
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import ServiceError

_CHECK_BYTES: Final = 8
_LONGEST: Final = 2_000


def encode_page_token(binding: str, position: list[int | str]) -> str:
    """Return the token for the page that begins at `position`.

    Args:
        binding: What the list was asked for: its name and its other parameters.
        position: Where the next page begins.
    """
    content = json.dumps(position, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_check(binding, content) + content).decode().rstrip("=")


def decode_page_token(binding: str, token: str, shape: tuple[type, ...]) -> list[int | str]:
    """Return the position that a token stands for.

    Args:
        binding: As it was given to `encode_page_token`.
        token: The token.
        shape: Types of the position's parts.

    Raises:
        ServiceError: PAGE_TOKEN_INVALID: it was made by another list, for other parameters, or by nobody.
    """
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)) if len(token) <= _LONGEST else b""
    except (binascii.Error, ValueError):
        raw = b""
    check, content = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
    if not content or check != _check(binding, content):
        raise ServiceError(ErrorReason.ERROR_REASON_PAGE_TOKEN_INVALID)
    position: list[int | str] = json.loads(content)
    if tuple(type(part) for part in position) != shape:
        raise ServiceError(ErrorReason.ERROR_REASON_PAGE_TOKEN_INVALID)
    return position


def _check(binding: str, content: bytes) -> bytes:
    return hashlib.sha256(binding.encode() + b"\0" + content).digest()[:_CHECK_BYTES]
