"""What a spare's processes tell each other. Standard library only: the keeper imports it.

Host and keeper share a stream socket, keeper and worker another one:

1. The worker has loaded everything: `READY` to its keeper, which passes it on to the host.
2. The host sends a `Handover` as one line, together with the descriptor of the session's locked `keeper.lock`.
3. The keeper answers `TAKEN`. From there on the session is its own, whatever becomes of the host.
4. The keeper writes worker.json, and then passes the line on to the worker, which begins.

Whoever finds the other end closed before 3 ends itself.
"""

import json
import socket
from typing import NamedTuple

READY = b"R"
"""The worker waits for a session."""
TAKEN = b"T"
"""The keeper has a session."""

_MOST_BYTES = 65_536


class Handover(NamedTuple):
    """Everything that makes a spare the worker of a session.

    Attributes:
        session: The session's folder.
        log: The file for standard output and standard error.
        command: The command line that a worker would have been started with.
        environment: Variables that such a worker would have beside those that the spare was started with.
    """

    session: str
    log: str
    command: list[str]
    environment: dict[str, str]

    def to_line(self) -> bytes:
        """Return it as it goes over a socket."""
        return json.dumps(self._asdict()).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Handover":
        """Return what `to_line` has written."""
        return cls(**json.loads(line))


def receive(peer: socket.socket) -> tuple[bytes, list[int]]:
    """Receive a line and the descriptors that come with it.

    Returns:
        The line, empty where the peer has closed its end before the line was whole; and the descriptors.
    """
    line, descriptors = b"", []
    while not line.endswith(b"\n"):
        piece, more, _, _ = socket.recv_fds(peer, _MOST_BYTES, 1)
        descriptors += more
        if not piece:
            return b"", descriptors
        line += piece
    return line, descriptors
