"""How the host stands with its gateway."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from ktrdr.ib.v1 import bars_pb2

REPLAY_ACCOUNT: Final = "REPLAY"
"""What the accounts of a replay gateway begin with."""


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


@dataclass(frozen=True, slots=True)
class GatewayPicture:
    """Everything that can be told without asking the gateway.

    Attributes:
        address: HOST:PORT that is configured.
        link: how far the connection reaches.
        source: recorded or real; unspecified until the first connection.
        server_version: of the protocol, 0 without a connection.
        client_id: in use, or to be used next.
        farms: as last told.
        failures: connections lost and tries that failed, since the last success.
        retry_in: time until the next try; None while there is none ahead.
        problem: why there is no connection and what to do; empty while there is one.
        gateway_time: the gateway's clock when it was last asked.
        open_requests: requests without an answer yet.
        connected_for: age of the connection; None without one.
    """

    address: str
    link: Link
    source: bars_pb2.Source.ValueType
    server_version: int
    client_id: int
    farms: Sequence[Farm]
    failures: int
    retry_in: timedelta | None
    problem: str
    gateway_time: datetime | None
    open_requests: int
    connected_for: timedelta | None

    @property
    def waiting_text(self) -> str:
        """Why work has to wait, for people; empty when it has not."""
        if self.link is Link.UP:
            return ""
        if self.link is Link.IB_DOWN:
            return f"gateway {self.address} has lost its connection to IB; going on when it is back"
        if self.retry_in is None:
            return f"connecting to gateway {self.address}"
        seconds = max(1, round(self.retry_in.total_seconds()))
        return f"gateway {self.address} does not answer; trying again in {seconds} s"


def source_of(accounts: Sequence[str]) -> bars_pb2.Source.ValueType:
    """Tell recorded from real bars by the accounts that the gateway manages: nothing else can be trusted to."""
    replay = any(account.upper().startswith(REPLAY_ACCOUNT) for account in accounts)
    return bars_pb2.SOURCE_REPLAY if replay else bars_pb2.SOURCE_IB


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


def farm_told(code: int, text: str) -> Farm | None:
    """Return what a notice says about a farm; None when it is about something else.

    Idle farms (2107, 2108) are fine: they connect when something is asked of them.
    """
    if code not in _FARM_CODES:
        return None
    kind, ok = _FARM_CODES[code]
    name = text.rsplit(":", 1)[-1].strip() if ":" in text else ""
    return Farm(name or kind, kind, ok, text)


def link_told(code: int) -> Link | None:
    """Return what a notice says about the gateway's link to IB; None when it is about something else."""
    if code in {1100, 2110}:
        return Link.IB_DOWN
    return Link.UP if code in {1101, 1102} else None
