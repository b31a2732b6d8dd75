"""The way out to one client."""

import asyncio

from services.ib_host.replay.fields import encode_field
from services.ib_host.replay.framing import encode_frame
from services.ib_host.replay.wire import Fields


class Connection:
    """Sends frames to one client; every frame to it goes through `send`.

    Args:
        writer: the client's stream.
    """

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    def send(self, fields: Fields) -> None:
        """Queue one frame; a client that has gone away gets nothing, and nobody is told."""
        if not self._writer.is_closing():
            self._writer.write(encode_frame([encode_field(field) for field in fields]))

    async def drain(self) -> None:
        """Wait until the client has taken most of what was queued.

        Raises:
            ConnectionError: the client has gone away.
        """
        await self._writer.drain()

    async def close(self) -> None:
        """Close the connection once everything queued is out."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return

    def abort(self) -> None:
        """Close the connection now, and drop what is queued."""
        self._writer.transport.abort()
