"""The connection to an IB host that all calls about market data share."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from ktrdr.host.v1.session_pb2 import HOST_KIND_IB
from ktrdr.operations.v1.operations_pb2 import HostRecord

from ktrdr_client.calls import Endpoint
from ktrdr_client.errors import FailedPrecondition, NotFound
from ktrdr_client.host_channels import HostChannels
from ktrdr_client.stubs import ib_host_stub

if TYPE_CHECKING:
    from ktrdr.ib.v1.ib_pb2_grpc import IbHostServiceAsyncStub


class IbHostConnection:
    """Channels to the IB hosts, at the addresses that the operations service knows them by.

    Args:
        hosts: Returns the hosts that the operations service follows.
        timeout_seconds: Deadline of each single call.
    """

    def __init__(self, hosts: Callable[[], Awaitable[Sequence[HostRecord]]], *, timeout_seconds: float) -> None:
        self.timeout_seconds = timeout_seconds
        self._hosts = hosts
        self._channels = HostChannels()

    async def close(self) -> None:
        """Close the channels."""
        await self._channels.close()

    async def _host(self, name: str) -> "tuple[IbHostServiceAsyncStub, Endpoint]":
        record = _choose(await self._hosts(), name)
        return ib_host_stub(self._channels.at(record.address)), Endpoint(f"IB host {record.name!r}", record.address)


def _choose(records: Sequence[HostRecord], name: str) -> HostRecord:
    """Return the IB host of this name, or the first one that answers."""
    if name:
        named = [record for record in records if record.name == name]
        if not named:
            message = f"there is no host {name!r}; see: ktrdr hosts list"
            raise NotFound(message, reason="HOST_NOT_FOUND", metadata={"host": name})
        return named[0]
    candidates = [record for record in records if record.kind == HOST_KIND_IB]
    if not candidates:
        # A host that has not answered since the service started has no kind yet; it is the best guess there is.
        candidates = [record for record in records if not record.kind and "ib" in record.name.lower()]
    if not candidates:
        message = "the operations service follows no IB host; see: ktrdr hosts list"
        raise FailedPrecondition(message, reason="NO_HOST_OF_KIND")
    return min(candidates, key=lambda record: record.state != HostRecord.STATE_UP)
