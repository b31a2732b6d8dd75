"""Messages of the gateway that can't be decoded: whose answer they would have been."""

from collections.abc import Mapping, Sequence
from typing import Final

CURRENT_TIME: Final = "currentTime"
"""The key of requests for the gateway's time, which have no id."""

_TIME_MESSAGE: Final = "49"
_REQUEST_ID_AT: Final[Mapping[str, int]] = {"17": 1, "52": 2, "79": 1, "88": 1, "106": 1}
_CONTRACT_MESSAGE: Final = "10"
_CONTRACTS_WITHOUT_VERSION: Final = 164
"""From this version of the protocol on, descriptions of contracts have no version field of their own."""


def request_of(fields: Sequence[str], *, server_version: int) -> int | str | None:
    """Return the key of the request that a message would have answered; None where that can't be told.

    Args:
        fields: of the message, its id first.
        server_version: of the protocol.
    """
    message = fields[0] if fields else ""
    if message == _TIME_MESSAGE:
        return CURRENT_TIME
    if message == _CONTRACT_MESSAGE:
        at = 1 if server_version >= _CONTRACTS_WITHOUT_VERSION else 2
    else:
        at = _REQUEST_ID_AT.get(message, len(fields))
    return int(fields[at]) if at < len(fields) and fields[at].isdecimal() else None


def is_out_of_step(fields: Sequence[str]) -> bool:
    """Tell whether what came is no message at all: the stream has lost its frames, and will not find them again.

    An empty frame is no message either, but its length, and so the next frame, is right.
    """
    return bool(fields) and not (fields[0].isascii() and fields[0].isdecimal())
