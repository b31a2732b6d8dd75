"""Ports that nobody listens on."""

import random
import socket
from collections.abc import Sequence


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


def free_port() -> int:
    """Return a port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
