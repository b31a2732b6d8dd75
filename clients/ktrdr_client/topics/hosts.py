"""Calls about the hosts that the registry follows."""

from collections.abc import Sequence
from datetime import timedelta

from ktrdr.operations.v1 import operations_pb2 as pb

from ktrdr_client.topics.connection import Connection


class HostCalls(Connection):
    """Tells, drains, announces and forgets hosts."""

    async def hosts(self) -> Sequence[pb.HostRecord]:
        """Return the hosts that the service follows, by name."""
        records: Sequence[pb.HostRecord] = ()
        request = pb.ListHostsRequest()
        while True:
            page = await self._call(self._stub.ListHosts, request)
            records = [*records, *page.hosts]
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return records

    async def drain(self, host: str, *, undo: bool = False) -> pb.HostRecord:
        """Place no new operations on a host, or allow it again; what runs there goes on.

        Raises:
            NotFound: There is no such host.
        """
        request = pb.DrainHostRequest(host=host, undo=undo)
        answer = await self._call(self._stub.DrainHost, request)
        return answer.host

    async def register_host(
        self, name: str, address: str, *, host_uid: str = "", lease: timedelta | None = None
    ) -> pb.RegisterHostResponse:
        """Announce a host, so that the service follows it while the lease lasts; each call begins the lease anew.

        Args:
            name: Name to follow it under: letters, digits, ".", "_" and "-", at most 64.
            address: HOST:PORT of its server, as the operations service can reach it.
            host_uid: Its identity; empty takes whatever host answers there.
            lease: How long to follow it without another announcement; None for 60 s, at most 24 h.

        Returns:
            The host as it is now, and the lease that was granted.

        Raises:
            InvalidArgument: The name or the address is none.
            AlreadyExists: Another host has this name.
        """
        request = pb.RegisterHostRequest(name=name, address=address, host_uid=host_uid)
        if lease is not None:
            request.lease.FromTimedelta(lease)
        return await self._call(self._stub.RegisterHost, request)

    async def unregister_host(self, name: str) -> None:
        """Follow a registered host no longer.

        Raises:
            NotFound: There is no such host.
            FailedPrecondition: The configuration of the service names it: take it out there.
        """
        await self._call(self._stub.UnregisterHost, pb.UnregisterHostRequest(name=name))
