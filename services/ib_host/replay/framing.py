"""Frames of the TWS protocol: a 4-byte big-endian length, then text fields that each end in NUL."""

import asyncio
import struct
from collections.abc import Sequence

_LENGTH = struct.Struct(">I")

MAX_INBOUND_BYTES = 64 * 1024
"""Longest frame taken from a client; requests are a few hundred bytes, so more means that the stream is out of step."""

RECEIVE_BYTES = 4096
"""What IB's own client takes at once; it loses an answer that fills its last piece exactly, and waits for more."""


class FramingError(Exception):
    """The bytes received are not frames of this protocol; nothing after them can be trusted."""


def encode_frame(fields: Sequence[str]) -> bytes:
    """Return one frame of `fields`.

    Text beyond ASCII travels as escape sequences (backslash, u, four hex digits), as it has since version 153.
    """
    payload = b"".join(_seven_bit(field) + b"\0" for field in fields)
    return _LENGTH.pack(len(payload)) + payload


async def read_frame(reader: asyncio.StreamReader) -> tuple[str, ...] | None:
    """Read the fields of the next frame.

    Returns:
        The fields, or None when the peer has closed the connection, also in the middle of a frame.

    Raises:
        FramingError: the length prefix is beyond `MAX_INBOUND_BYTES`, or the last field does not end in NUL.
    """
    payload = await read_payload(reader)
    if payload is None:
        return None
    if not payload.endswith(b"\0"):
        message = "a frame does not end in NUL"
        raise FramingError(message)
    return tuple(payload[:-1].decode("utf-8", errors="backslashreplace").split("\0"))


async def read_payload(reader: asyncio.StreamReader) -> bytes | None:
    """Read the bytes of the next frame, without its length; None at the end of the stream.

    Raises:
        FramingError: the length prefix is beyond `MAX_INBOUND_BYTES`.
    """
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > MAX_INBOUND_BYTES:
            message = f"a frame claims {length} bytes"
            raise FramingError(message)
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def _seven_bit(text: str) -> bytes:
    if text.isascii():
        return text.encode("ascii")
    units = text.encode("utf-16-be")
    codes = (int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))
    return "".join(chr(code) if code < 128 else f"\\u{code:04x}" for code in codes).encode("ascii")
