"""What rules need to know about the messages of clients."""

from collections.abc import Mapping, Sequence
from typing import Final

from services.ib_host.replay.errors import NOT_A_REQUEST
from services.ib_host.replay.messages import Inbound

HANDSHAKE: Final = 0
"""Stands for a client's greeting, which has no message id."""

CLOCK: Final = -2
"""Stands for no message: the rule's time has come."""

_SPECIAL: Final = {"handshake": HANDSHAKE, "clock": CLOCK}
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
_CONTRACT_AT: Final = {Inbound.CONTRACT_DETAILS: 3, Inbound.HISTORICAL_DATA: 2, Inbound.HEAD_TIMESTAMP: 2}
_SYMBOL_AT: Final = {message: at + 1 for message, at in _CONTRACT_AT.items()} | {Inbound.MATCHING_SYMBOLS: 2}
_EXCHANGES_AT: Final = (7, 8)
_BAR_SIZE_AT: Final = {Inbound.HISTORICAL_DATA: 16}
_DURATION_AT: Final = {Inbound.HISTORICAL_DATA: 17}
_WHAT_AT: Final = {Inbound.HISTORICAL_DATA: 19, Inbound.HEAD_TIMESTAMP: 16}

WITH_A_SYMBOL: Final = frozenset(int(message) for message in _SYMBOL_AT)
"""The messages that name a symbol."""

WITH_A_CONTRACT: Final = frozenset(int(message) for message in _CONTRACT_AT)
"""The messages that describe a contract."""


def message_id(name: object) -> int:
    """Return the id of a message, named by its id or by its name in `Inbound` in any case.

    "handshake" is 0, and "clock", for no message, -2.

    Raises:
        ValueError: there is no such message.
    """
    known = {*_SPECIAL.values(), *Inbound}
    if isinstance(name, int) and not isinstance(name, bool) and name in known:
        return int(name)
    if isinstance(name, str):
        if name.lower() in _SPECIAL:
            return _SPECIAL[name.lower()]
        if name.upper() in Inbound.__members__:
            return int(Inbound[name.upper()])
    names = ", ".join([*_SPECIAL, *(message.name.lower() for message in Inbound)])
    error = f"there is no message {name!r}: use an id, or one of {names}"
    raise ValueError(error)


def request_id(fields: Sequence[str]) -> int:
    """Return the request id of a message, -1 where it has none or it cannot be read."""
    text = _field(fields, _REQUEST_ID_AT)
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else NOT_A_REQUEST


def symbol(fields: Sequence[str]) -> str:
    """Return the symbol that a message names, empty where it names none."""
    return _field(fields, _SYMBOL_AT)


def contract_id(fields: Sequence[str]) -> str:
    """Return the id of the contract that a message describes, empty where it has none."""
    return _field(fields, _CONTRACT_AT)


def security_type(fields: Sequence[str]) -> str:
    """Return IB's code for the kind of instrument that a message describes, empty where it tells none."""
    return _field(fields, {message: at + 2 for message, at in _CONTRACT_AT.items()})


def exchanges(fields: Sequence[str]) -> Sequence[str]:
    """Return the exchange and primary exchange that a message names."""
    return [_field(fields, {message: at + offset for message, at in _CONTRACT_AT.items()}) for offset in _EXCHANGES_AT]


def bar_size(fields: Sequence[str]) -> str:
    """Return the bar size that a request names, empty where it names none."""
    return _field(fields, _BAR_SIZE_AT)


def duration(fields: Sequence[str]) -> str:
    """Return the duration that a request names, empty where it names none."""
    return _field(fields, _DURATION_AT)


def what(fields: Sequence[str]) -> str:
    """Return the kind of bars that a request names, empty where it names none."""
    return _field(fields, _WHAT_AT)


def _field(fields: Sequence[str], positions: Mapping[Inbound, int]) -> str:
    at = next((at for message, at in positions.items() if fields and fields[0] == str(int(message))), None)
    return fields[at] if at is not None and at < len(fields) else ""
