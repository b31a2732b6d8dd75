"""All followed hosts: those that configuration names, and those that were registered."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.clock import Clock
from services.common.errors import ServiceError
from services.common.page_tokens import decode_page_token, encode_page_token
from services.operations.followed_host import FollowedHost
from services.operations.group_commit import GroupCommit
from services.operations.host_address import HostAddress
from services.operations.host_errors import HostCallError
from services.operations.host_unit import HostUnit
from services.operations.listing import LARGEST_PAGE, checked_page_size
from services.operations.message_size import MESSAGE_BYTES
from services.operations.store_reader import StoredHost

_BINDING = "hosts"
_OUT_OF_SIGHT: Final = {pb.HostRecord.State.STATE_STALE, pb.HostRecord.State.STATE_UNREACHABLE}


class Hosts:
    """The hosts, and what is known of them.

    Args:
        addresses: Names and addresses of those that configuration names.
        stored: What the store keeps, by name.
        commits: Stores units.
        clock: The time.
        expected_seconds: Longest time between two answers of a host while all is well.

    Attributes:
        by_name: All hosts; they come and go.
    """

    def __init__(
        self,
        addresses: Sequence[HostAddress],
        stored: Mapping[str, StoredHost],
        commits: GroupCommit,
        clock: Clock,
        *,
        expected_seconds: float,
    ) -> None:
        self._commits = commits
        self._opened: list[Callable[[], None]] = []
        self._clock = clock
        self._claimed: dict[str, FollowedHost] = {}
        self.expected_seconds = expected_seconds
        self.by_name = {
            one.name: _followed(one, stored.get(one.name), expected_seconds)
            for one in sorted(addresses, key=lambda one: one.name)
        }

    def get(self, name: str) -> FollowedHost:
        """Return a host.

        Raises:
            ServiceError: HOST_NOT_FOUND.
        """
        host = self.by_name.get(name)
        if host is None:
            raise ServiceError(ErrorReason.ERROR_REASON_HOST_NOT_FOUND, host=name)
        return host

    def on_open(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever a host takes work again that was drained."""
        self._opened.append(listener)

    def of(self, host_uid: str) -> FollowedHost | None:
        """Return the host with an identity; None if there is none, or the identity is empty."""
        return next((host for host in self.by_name.values() if host_uid and host.host_uid == host_uid), None)

    def add(self, host: FollowedHost) -> None:
        """Take up a host."""
        self.by_name[host.name] = host

    def remove(self, host: FollowedHost) -> None:
        """Let a host go."""
        self.by_name.pop(host.name, None)
        self._claimed = {uid: one for uid, one in self._claimed.items() if one is not host}

    def disown(self, host: FollowedHost) -> None:
        """Forget who a host was, and how far it was read."""
        self._claimed = {uid: one for uid, one in self._claimed.items() if one is not host}
        host.forget()

    def identify(self, host: FollowedHost, host_uid: str) -> bool:
        """Take note of the identity that a host tells; return whether it is another than before.

        Raises:
            HostCallError: It has none; it is not the one that was announced; or it is followed under another name
                already: twice would do no good.
        """
        if not host_uid:
            raise HostCallError(f"{host.address} does not tell who it is. Update the host's software.")
        if host.announced_uid not in {"", host_uid}:
            raise HostCallError(
                f"At {host.address} another host ({host_uid}) answers than the one that was registered as {host.name} "
                f"({host.announced_uid}). Correct the address, or register the other under a name of its own."
            )
        other = self._claimed.get(host_uid)
        if other is host and host.host_uid == host_uid:
            return False
        if other is not None and other is not host:
            if other.state(self._clock.monotonic()) not in _OUT_OF_SIGHT:
                raise HostCallError(f"This is the same host as {other.name} ({other.address}). Remove one of the two.")
            other.forget()  # it has moved here: nothing answers there any more
        self._claimed = {uid: one for uid, one in self._claimed.items() if one is not host} | {host_uid: host}
        if host.host_uid == host_uid:
            return False
        if host.host_uid:
            host.forget()
        host.host_uid = host_uid
        return True

    def record(self, name: str) -> pb.HostRecord:
        """Return what is told of a host now.

        Raises:
            ServiceError: HOST_NOT_FOUND.
        """
        return self.get(name).record(self._clock.monotonic())

    def page(self, *, page_size: int, page_token: str) -> pb.ListHostsResponse:
        """Return a page of hosts, by name.

        Args:
            page_size: Most hosts, 0 for 500.
            page_token: Token of the page, empty for the first.

        Raises:
            ServiceError: PAGE_TOKEN_INVALID or INVALID_REQUEST.
        """
        limit = checked_page_size(page_size, default=LARGEST_PAGE)
        after = str(decode_page_token(_BINDING, page_token, (str,))[0]) if page_token else ""
        names = sorted(name for name in self.by_name if name > after)
        response, size = pb.ListHostsResponse(), 0
        for name in names[:limit]:
            response.hosts.append(self.record(name))
            size += response.hosts[-1].ByteSize()
            if size > MESSAGE_BYTES:
                break
        if len(names) > len(response.hosts):
            response.next_page_token = encode_page_token(_BINDING, [response.hosts[-1].name])
        return response

    async def drain(self, name: str, *, undo: bool) -> pb.HostRecord:
        """Place no new operations on a host, or place them there again. Durable when this returns.

        Raises:
            ServiceError: HOST_NOT_FOUND, or the store did not take it.
        """
        host = self.get(name)
        before, host.draining = host.draining, not undo

        def take_back() -> None:
            host.draining = before

        await self._commits.commit(HostUnit(host, undo=take_back))
        if undo:
            for listener in self._opened:
                listener()
        return self.record(name)


def _followed(address: HostAddress, stored: StoredHost | None, expected_seconds: float) -> FollowedHost:
    host = FollowedHost(address.name, address.address, expected_seconds)
    if stored is not None:
        host.recall(stored)
    return host
