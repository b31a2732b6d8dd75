"""Ports that nobody listens on."""

import random
import socket
import weakref
from collections.abc import Sequence


class ReservedPort:
    """A port of the kernel's choice that is given to nobody else for as long as this object lives.

    It is bound, but not listened on: who connects is refused. A server that names it can listen on it, end, and
    listen on it again, and no other process gets the port meanwhile.

    Attributes:
        number: The port, on 127.0.0.1.
    """

    def __init__(self) -> None:
        holder = socket.socket()
        weakref.finalize(self, holder.close)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        self.number = int(holder.getsockname()[1])


def free_offset(ports: Sequence[int]) -> int:
    """Return an offset that moves all of these ports to free ones, below those that the kernel gives out."""
    for offset in random.Random().sample(range(5_000, 25_000), 200):
        if all(_is_free(port + offset) for port in ports):
            return offset
    raise AssertionError("no free ports found")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
