"""All followed hosts."""

from collections.abc import Callable, Mapping, Sequence

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.clock import Clock
from services.common.errors import ServiceError
from services.operations.changes import Changes
from services.operations.followed_host import FollowedHost
from services.operations.group_commit import GroupCommit
from services.operations.host_address import HostAddress
from services.operations.host_errors import HostCallError
from services.operations.listing import LARGEST_PAGE, checked_page_size
from services.operations.page_tokens import decode_page_token, encode_page_token
from services.operations.reading import Reading
from services.operations.store_reader import StoredHost

_BINDING = "hosts"


class Hosts:
    """The hosts that configuration names, and what is known of them.

    Args:
        addresses: Names and addresses.
        stored: What the store keeps, by name.
        commits: Stores units.
        clock: The time.
        expected_seconds: Longest time between two answers of a host while all is well.
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

    def identify(self, host: FollowedHost, host_uid: str) -> bool:
        """Take note of the identity that a host tells; return whether it is another than before.

        Raises:
            HostCallError: It has none, or it is followed under another name already: twice would do no good.
        """
        if not host_uid:
            raise HostCallError(f"{host.address} does not tell who it is. Update the host's software.")
        other = self._claimed.get(host_uid, host)
        if other is not host:
            if not other.failures:
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
        names = [name for name in self.by_name if name > after]
        response = pb.ListHostsResponse(hosts=[self.record(name) for name in names[:limit]])
        if len(names) > limit:
            response.next_page_token = encode_page_token(_BINDING, [names[limit - 1]])
        return response

    async def drain(self, name: str, *, undo: bool) -> pb.HostRecord:
        """Place no new operations on a host, or place them there again. Durable when this returns.

        Raises:
            ServiceError: HOST_NOT_FOUND, or the store did not take it.
        """
        host = self.get(name)
        await self._commits.commit(_Drain(host, draining=not undo))
        if undo:
            for listener in self._opened:
                listener()
        return self.record(name)


class _Drain:
    """The unit that stores whether a host is drained."""

    def __init__(self, host: FollowedHost, *, draining: bool) -> None:
        self._host = host
        self._before = host.draining
        host.draining = draining

    def prepare(self, changes: Changes) -> None:
        """Add the host."""
        changes.hosts.append(self._host.row())

    def committed(self) -> None:
        """Nothing follows."""

    def failed(self) -> None:
        """Take it back."""
        self._host.draining = self._before


def _followed(address: HostAddress, stored: StoredHost | None, expected_seconds: float) -> FollowedHost:
    host = FollowedHost(address.name, address.address, expected_seconds)
    if stored is not None:
        host.kind = stored.kind
        host.host_uid = stored.host_uid
        host.draining = stored.draining
        host.reading = Reading(stored.cursor, complete=bool(stored.cursor))
    return host
