"""What the registry knows of a host, in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from ktrdr.host.v1.host_pb2 import Host
from ktrdr.host.v1.session_pb2 import HostKind
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.changes import Row
from services.operations.operation_state import OperationState
from services.operations.reading import Reading
from services.operations.store_reader import StoredHost
from services.operations.unstored import Unstored

CONFIGURED: Final = pb.HostRecord.Source.SOURCE_CONFIGURED
REGISTERED: Final = pb.HostRecord.Source.SOURCE_REGISTERED

_STALE_AFTER_POLLS: Final = 2
_STALE_MARGIN: Final = 1.1
_UNREACHABLE_AFTER_FAILURES: Final = 3
_UNREACHABLE_AFTER_POLLS: Final = 4


@dataclass(eq=False)
class FollowedHost:
    """One host.

    Attributes:
        name: Its name in the configuration, or that it was registered under.
        address: "HOST:PORT".
        expected_seconds: Longest time between two answers while all is well: the long poll and the pause after it.
        kind: What it can run, once it has answered.
        host_uid: Its identity, once it has answered.
        description: What it last told of itself.
        draining: No new operations are placed on it.
        reading: How far its sessions were read.
        unstored: What it has told and is not stored yet.
        last_success: Monotonic time of the last answer; None if there was none in this life of the registry.
        failures: Polls that failed since.
        pause_seconds: Time between two polls now.
        problem: Why it does not answer, and what to do; empty when it does.
        source: How the registry knows of it.
        announced_uid: Identity that a registered host has announced: only that is taken for it. Empty: any is.
        lease_us: End of the lease of a registered host, in microseconds since the Unix epoch.
        lease_until: The same as monotonic time.
    """

    name: str
    address: str
    expected_seconds: float
    kind: "HostKind.ValueType" = HostKind.HOST_KIND_UNSPECIFIED
    host_uid: str = ""
    description: Host = field(default_factory=Host)
    draining: bool = False
    reading: Reading = field(default_factory=Reading)
    unstored: Unstored = field(default_factory=Unstored)
    last_success: float | None = None
    failures: int = 0
    pause_seconds: float = 0.0
    problem: str = ""
    source: "pb.HostRecord.Source.ValueType" = CONFIGURED
    announced_uid: str = ""
    lease_us: int | None = None
    lease_until: float | None = None

    @classmethod
    def restored(cls, name: str, stored: StoredHost, expected_seconds: float) -> Self:
        """Return a registered host as the store knows it; its cursor says where to go on."""
        host = cls(name, stored.address, expected_seconds, source=REGISTERED, lease_us=stored.lease_us)
        host.recall(stored)
        return host

    def recall(self, stored: StoredHost) -> None:
        """Take over what the store knows of the host."""
        self.kind = stored.kind
        self.host_uid = stored.host_uid
        self.draining = stored.draining
        self.reading = Reading(stored.cursor, complete=bool(stored.cursor))
        self.unstored.cursor = stored.cursor

    def is_lease_over(self, now: float) -> bool:
        """Tell whether a registered host has not announced itself for too long; a configured one needs no lease.

        Args:
            now: Monotonic time.
        """
        return self.source == REGISTERED and (self.lease_until is None or now >= self.lease_until)

    def state(self, now: float) -> "pb.HostRecord.State.ValueType":
        """Tell how the host stands, from the age of its last answer and the failures since: never from a stored flag.

        Args:
            now: Monotonic time.
        """
        State = pb.HostRecord.State  # noqa: N806 - the enum's own name
        if self.failures >= _UNREACHABLE_AFTER_FAILURES:
            return State.STATE_UNREACHABLE
        if self.last_success is None:
            return State.STATE_STALE if self.failures >= _STALE_AFTER_POLLS else State.STATE_UNSPECIFIED
        age = now - self.last_success
        if age > _UNREACHABLE_AFTER_POLLS * self.expected_seconds:
            return State.STATE_UNREACHABLE
        if age > _STALE_AFTER_POLLS * _STALE_MARGIN * self.expected_seconds or self.failures >= _STALE_AFTER_POLLS:
            return State.STATE_STALE
        return State.STATE_UP

    def liveness(self, now: float) -> "pb.Liveness.ValueType":
        """Tell how well the sessions of the host can be seen.

        Args:
            now: Monotonic time.
        """
        return _LIVENESS[self.state(now)]

    def forget(self) -> None:
        """Forget who the host was and how far it was read: something else will answer at its address."""
        self.host_uid = ""
        self.read_anew()

    def read_anew(self) -> None:
        """Forget how far the host was read: it begins with everything again."""
        self.reading.restart()
        self.unstored.cursor = b""

    def row(self) -> Row:
        """Return the row of the table of hosts."""
        return {
            "name": self.name,
            "host_uid": self.host_uid,
            "kind": int(self.kind),
            "cursor": self.unstored.cursor,
            "draining": self.draining,
            "address": self.address,
            "lease_us": self.lease_us,
        }

    def record(self, now: float) -> pb.HostRecord:
        """Return what is told of the host.

        Args:
            now: Monotonic time.
        """
        record = pb.HostRecord(
            name=self.name,
            address=self.address,
            kind=self.kind,
            state=self.state(now),
            host_uid=self.host_uid,
            consecutive_failures=self.failures,
            draining=self.draining,
            problem=self.problem,
            source=self.source,
        )
        if self.source == REGISTERED:
            record.lease_left.FromMicroseconds(max(0, round(((self.lease_until or now) - now) * 1e6)))
        if self.last_success is not None:
            record.last_success_age.FromMicroseconds(round((now - self.last_success) * 1e6))
        record.poll_interval.FromMicroseconds(round(self.pause_seconds * 1e6))
        if self.description.host_uid:
            record.host.CopyFrom(self.description)
        return record


def owner_of(hosts: Mapping[str, FollowedHost], state: OperationState) -> FollowedHost | None:
    """Return the host that has, or will have, an operation's session; None if none of the followed hosts is it.

    Sessions belong to identities, not to names: a host may have been given another name, and another host the old one.

    Args:
        hosts: All hosts by name.
        state: The operation.
    """
    if state.host_uid:
        likely = hosts.get(state.record.host)
        if likely is not None and likely.host_uid == state.host_uid:
            return likely
        same = next((host for host in hosts.values() if host.host_uid == state.host_uid), None)
        return same or (likely if likely is not None and not likely.host_uid else None)
    return hosts.get(state.record.host)


_LIVENESS: Final = {
    pb.HostRecord.State.STATE_UNSPECIFIED: pb.LIVENESS_UNSPECIFIED,
    pb.HostRecord.State.STATE_UP: pb.LIVENESS_FRESH,
    pb.HostRecord.State.STATE_STALE: pb.LIVENESS_STALE,
    pb.HostRecord.State.STATE_UNREACHABLE: pb.LIVENESS_UNREACHABLE,
}
