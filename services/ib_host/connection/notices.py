"""What the gateway's notices say of farms, of its link to IB and of the connection itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from services.ib_host.requests.failures import FailureKind


class Link(Enum):
    """How far the connection reaches."""

    DISCONNECTED = "not connected"
    CONNECTING = "connecting"
    UP = "connected"
    IB_DOWN = "connected, but the gateway has lost IB"


@dataclass(frozen=True, slots=True)
class Farm:
    """One of IB's data farms.

    Attributes:
        name: such as "ushmds".
        kind: what it serves: "market", "history" or "contracts".
        ok: it works, or is idle.
        message: the gateway's words.
    """

    name: str
    kind: str
    ok: bool
    message: str


_FARM_CODES: Final[Mapping[int, tuple[str, bool]]] = {
    2103: ("market", False),
    2104: ("market", True),
    2105: ("history", False),
    2106: ("history", True),
    2107: ("history", True),
    2108: ("market", True),
    2119: ("market", True),
    2157: ("contracts", False),
    2158: ("contracts", True),
}
_LINK_CODES: Final[Mapping[int, Link]] = {
    1100: Link.IB_DOWN,
    2110: Link.IB_DOWN,
    1101: Link.UP,
    1102: Link.UP,
}
_END_CODES: Final[Mapping[int, FailureKind]] = {
    502: FailureKind.DISCONNECTED,
    504: FailureKind.DISCONNECTED,
    507: FailureKind.STREAM_BROKEN,
    1300: FailureKind.DISCONNECTED,
}


def farm_told(code: int, text: str) -> Farm | None:
    """Return what a notice says about a farm; None when it is about something else.

    Idle farms (2107, 2108) are fine: they connect when something is asked of them.
    """
    if code not in _FARM_CODES:
        return None
    kind, ok = _FARM_CODES[code]
    # "... connection is OK:usfarm.nj", but "... should be available upon demand.ushmds"
    _, _, name = text.rpartition(":") if ":" in text else text.partition(".")
    return Farm(name.strip() or kind, kind, ok, text)


def link_told(code: int) -> Link | None:
    """Return what a notice says about the gateway's link to IB; None when it is about something else."""
    return _LINK_CODES.get(code)


def end_told(code: int) -> FailureKind | None:
    """Return what a message that belongs to no request makes of all of them; None where the connection goes on.

    After these messages the connection is of no use: its frames are broken (507), or its port moves (1300).
    """
    return _END_CODES.get(code)
