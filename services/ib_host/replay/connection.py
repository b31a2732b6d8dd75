"""The way out to one client."""

import asyncio
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Final

from services.ib_host.replay.fields import encode_field
from services.ib_host.replay.framing import RECEIVE_BYTES, encode_frame
from services.ib_host.replay.messages import Outbound
from services.ib_host.replay.wire import Fields

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with a time of 0: closing sends RST instead of FIN."""

_START_AT: Final = 2
"""The field of a long answer that no client reads: the text of where its window begins."""

Alteration = Callable[[Fields], Sequence[bytes]]
"""Returns the bytes that go out in place of a frame."""


class Connection:
    """Sends frames to one client; every frame to it goes through `send`.

    Args:
        writer: the client's stream.
    """

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._held: list[bytes] | None = None

    @property
    def is_closing(self) -> bool:
        """Whether the connection is closed, or will be once everything queued is out."""
        return self._writer.is_closing()

    def send(self, fields: Fields) -> None:
        """Queue one frame; a client that has gone away gets nothing, and nobody is told."""
        self.write(encode_readable(fields))

    def write(self, data: bytes) -> None:
        """Queue bytes that need not be a frame."""
        if self._held is None:
            self.write_past_hold(data)
        else:
            self._held.append(data)

    def hold(self) -> None:
        """Keep back what is written from now on, until `let_go`."""
        if self._held is None:
            self._held = []

    def write_past_hold(self, data: bytes) -> None:
        """Queue bytes although everything else is kept back."""
        if not self.is_closing:
            self._writer.write(data)

    def let_go(self) -> None:
        """Send what was kept back."""
        held, self._held = self._held or [], None
        for data in held:
            self.write(data)

    def altered(self, alteration: Alteration) -> "Connection":
        """Return another way to the same client, on which each frame is altered."""
        return _AlteredConnection(self, self._writer, alteration)

    async def drain(self) -> None:
        """Wait until the client has taken most of what was queued.

        Raises:
            ConnectionError: the client has gone away.
        """
        await self._writer.drain()

    def finish(self) -> None:
        """Close the connection once everything queued is out, without waiting for it."""
        self._writer.close()

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

    def reset(self) -> None:
        """Close the connection now, with a TCP reset."""
        if not self.is_closing:
            self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._writer.transport.abort()


class _AlteredConnection(Connection):
    def __init__(self, usual: Connection, writer: asyncio.StreamWriter, alteration: Alteration) -> None:
        super().__init__(writer)
        self._usual = usual
        self._alteration = alteration

    def send(self, fields: Fields) -> None:
        for data in self._alteration(fields):
            self._usual.write(data)


def encode(fields: Fields) -> bytes:
    """Return one frame of values."""
    return encode_frame([encode_field(field) for field in fields])


def encode_readable(fields: Fields) -> bytes:
    """Return one frame of values that every client reads.

    IB's own client loses a long answer that is a multiple of what it takes at once; a blank makes it longer.
    """
    frame = encode(fields)
    if len(frame) % RECEIVE_BYTES or fields[0] not in {Outbound.HISTORICAL_DATA, Outbound.HISTORICAL_SCHEDULE}:
        return frame
    return encode([*fields[:_START_AT], f"{fields[_START_AT]} ", *fields[_START_AT + 1 :]])
