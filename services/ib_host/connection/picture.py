"""How the host stands with its gateway."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from ktrdr.ib.v1 import bars_pb2

from services.ib_host.connection.notices import Farm, Link

REPLAY_ACCOUNT: Final = "REPLAY"
"""What the accounts of a replay gateway begin with."""


class ClockReading(NamedTuple):
    """The gateway's clock, when it was last asked.

    Attributes:
        gateway_time: what it showed, UTC.
        checked: when that was, on the host's clock, UTC.
        difference: the gateway's clock less the host's; true to about half a second, as a gateway tells whole seconds.
    """

    gateway_time: datetime
    checked: datetime
    difference: timedelta


@dataclass(frozen=True, slots=True)
class GatewayPicture:
    """Everything that can be told without asking the gateway.

    Attributes:
        address: HOST:PORT that is configured.
        link: how far the connection reaches.
        source: recorded or real; unspecified until the first connection.
        server_version: of the protocol, 0 without a connection.
        client_id: in use, or to be used next.
        first_client_id: the one that was configured.
        farms: as last told.
        failures: connections lost and tries that failed, since the last success.
        retry_in: time until the next try; None while there is none ahead.
        problem: why there is no connection and what to do; empty while there is one.
        clock: the gateway's clock when it was last asked; None before that.
        open_requests: requests without an answer yet.
        connected_for: age of the connection; None without one.
        client_ids_taken: the gateway takes connections, but every client id of the host is in use.
        english: whether the gateway's messages are in English; None while no message has told.
        foreign_text: the latest message that was not.
        undecodable: messages of this connection that could not be decoded.
        reset: which of IB's servers restart now, and until when; empty at other times.
        login: that the week's logins are over, on the day they end; empty at other times.
    """

    address: str
    link: Link
    source: bars_pb2.Source.ValueType
    server_version: int
    client_id: int
    first_client_id: int
    farms: Sequence[Farm]
    failures: int
    retry_in: timedelta | None
    problem: str
    clock: ClockReading | None
    open_requests: int
    connected_for: timedelta | None
    client_ids_taken: bool = False
    english: bool | None = None
    foreign_text: str = ""
    undecodable: int = 0
    reset: str = ""
    login: str = ""

    @property
    def socket_open(self) -> bool:
        """Whether there is a connection to the gateway, however it stands with IB."""
        return self.connected_for is not None

    @property
    def waiting_text(self) -> str:
        """Why work has to wait, for people; empty when it has not."""
        match self.link:
            case Link.UP:
                return ""
            case Link.IB_DOWN if self.reset:
                return f"{self.reset}; going on when it is back"
            case Link.IB_DOWN if self.login:
                return f"gateway {self.address} has lost its connection to IB: {self.login}; log in there"
            case Link.IB_DOWN:
                return f"gateway {self.address} has lost its connection to IB; going on when it is back"
        why = self.reset or self.login
        before = f"{why}; " if why else ""
        if self.retry_in is None:
            return f"{before}connecting to gateway {self.address}"
        seconds = max(1, round(self.retry_in.total_seconds()))
        return f"{before}gateway {self.address} does not answer; trying again in {seconds} s"

    def outage(self, kind: str) -> str:
        """Return why requests to a kind of farm ("history", "contracts") fail now by no fault of theirs, for people.

        Empty when there is no such reason: then a failure counts.
        """
        if self.waiting_text:
            return self.waiting_text
        broken = [farm.name for farm in self.farms if farm.kind == kind and not farm.ok]
        if self.reset:
            return f"{self.reset}; going on when it is back"
        if broken:
            return f"IB's data farm {', '.join(broken)} is broken; going on when it is back"
        return ""


def source_of(accounts: Sequence[str]) -> bars_pb2.Source.ValueType:
    """Tell recorded from real bars by the accounts that the gateway manages: nothing else can be trusted to."""
    replay = any(account.upper().startswith(REPLAY_ACCOUNT) for account in accounts)
    return bars_pb2.SOURCE_REPLAY if replay else bars_pb2.SOURCE_IB
