"""What rules need to know about the messages of clients."""

from collections.abc import Sequence
from typing import Final

from services.ib_host.replay.errors import NOT_A_REQUEST
from services.ib_host.replay.messages import Inbound

HANDSHAKE: Final = 0
"""Stands for a client's greeting, which has no message id."""

_MOST_DIGITS: Final = 19
_REQUEST_ID_AT: Final = {
    Inbound.EXECUTIONS: 2,
    Inbound.CONTRACT_DETAILS: 2,
    Inbound.HISTORICAL_DATA: 1,
    Inbound.CANCEL_HISTORICAL_DATA: 2,
    Inbound.ACCOUNT_SUMMARY: 2,
    Inbound.ACCOUNT_UPDATES_MULTI: 2,
    Inbound.MATCHING_SYMBOLS: 1,
    Inbound.HEAD_TIMESTAMP: 1,
}
_SYMBOL_AT: Final = {
    Inbound.CONTRACT_DETAILS: 4,
    Inbound.HISTORICAL_DATA: 3,
    Inbound.MATCHING_SYMBOLS: 2,
    Inbound.HEAD_TIMESTAMP: 3,
}

WITH_A_SYMBOL: Final = frozenset(int(message) for message in _SYMBOL_AT)
"""The messages that name a symbol."""


def message_id(name: object) -> int:
    """Return the id of a message, named by its id or by its name in `Inbound` in any case; "handshake" is 0.

    Raises:
        ValueError: there is no such message.
    """
    if isinstance(name, int) and not isinstance(name, bool) and (name == HANDSHAKE or name in list(Inbound)):
        return int(name)
    if isinstance(name, str):
        if name.upper() == "HANDSHAKE":
            return HANDSHAKE
        if name.upper() in Inbound.__members__:
            return int(Inbound[name.upper()])
    names = ", ".join(["handshake", *(message.name.lower() for message in Inbound)])
    error = f"there is no message {name!r}: use an id, or one of {names}"
    raise ValueError(error)


def request_id(fields: Sequence[str]) -> int:
    """Return the request id of a message, -1 where it has none or it cannot be read."""
    text = _field(fields, _REQUEST_ID_AT)
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else NOT_A_REQUEST


def symbol(fields: Sequence[str]) -> str:
    """Return the symbol that a message names, empty where it names none."""
    return _field(fields, _SYMBOL_AT)


def _field(fields: Sequence[str], positions: dict[Inbound, int]) -> str:
    at = next((at for message, at in positions.items() if fields and fields[0] == str(int(message))), None)
    return fields[at] if at is not None and at < len(fields) else ""
