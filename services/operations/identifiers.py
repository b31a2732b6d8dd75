"""Ids of operations and of their sessions."""

import hashlib
import re
import secrets
from typing import Final, NamedTuple

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base32: no i, l, o or u
_LENGTH: Final = 12
_SESSION_ID: Final = re.compile(rf"(?P<operation>[{_ALPHABET}]{{{_LENGTH}}})-(?P<attempt>[1-9][0-9]{{0,8}})")


class Attempt(NamedTuple):
    """An attempt of an operation, as the id of its session names it."""

    operation_id: str
    number: int


def new_operation_id() -> str:
    """Return a random id of 12 characters (60 bits)."""
    return _encode(secrets.randbits(5 * _LENGTH))


def derived_operation_id(host_uid: str, session_id: str) -> str:
    """Return the id of the operation for a session that was started straight on a host.

    It is a function of the two ids alone, so the same session has the same operation for ever, also in a new registry.
    """
    digest = hashlib.sha256(f"{host_uid}\n{session_id}".encode()).digest()
    return _encode(int.from_bytes(digest[:8], "big") >> (64 - 5 * _LENGTH))


def session_id_of(operation_id: str, attempt: int) -> str:
    """Return the id of an attempt's session."""
    return f"{operation_id}-{attempt}"


def parse_session_id(session_id: str) -> Attempt | None:
    """Tell which attempt a session belongs to, or None if its id was not made by `session_id_of`."""
    match = _SESSION_ID.fullmatch(session_id)
    return Attempt(match["operation"], int(match["attempt"])) if match else None


def _encode(number: int) -> str:
    return "".join(_ALPHABET[(number >> 5 * place) & 31] for place in reversed(range(_LENGTH)))
