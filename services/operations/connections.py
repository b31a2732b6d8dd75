"""Connections to hosts, which come and go."""

import asyncio
from collections.abc import Iterator, Mapping

from services.common.channel import open_channel
from services.operations.host_connection import HostConnection


class Connections(Mapping[str, HostConnection]):
    """Open connections by name of the host.

    Args:
        reader_id: Name of the registry among the readers of the hosts.
    """

    def __init__(self, reader_id: str) -> None:
        self._reader_id = reader_id
        self._open: dict[str, HostConnection] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def __getitem__(self, name: str) -> HostConnection:
        """Return the connection to a host that is followed."""
        return self._open[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._open)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._open)

    def open(self, name: str, address: str, *, registered: bool = False) -> HostConnection:
        """Connect to a host, instead of where it was before. Nothing is sent until it is asked something."""
        self.drop(name)
        connection = HostConnection(
            name, address, open_channel(address), reader_id=self._reader_id, registered=registered
        )
        self._open[name] = connection
        return connection

    def drop(self, name: str) -> None:
        """End the connection to a host; calls that are under way end as if it did not answer."""
        connection = self._open.pop(name, None)
        if connection is not None:
            task = asyncio.create_task(connection.close(), name=f"close {name}")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """End all connections."""
        for name in list(self._open):
            self.drop(name)
        await asyncio.gather(*self._closing, return_exceptions=True)
