"""What the machine must allow before a server starts, checked first so that a refusal can say why."""

import errno
import os
import socket
import tempfile
from pathlib import Path

from services.common.startup import CannotStartError


def require_writable(folder: Path) -> None:
    """Create a folder where there is none, and make sure that files can be written in it.

    Raises:
        CannotStartError: They can't.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        message = (
            f"cannot write in {folder}: {reason(error)}. "
            "Correct its permissions or free space, or choose another folder with --home or KTRDR_HOME."
        )
        raise CannotStartError(message) from error


def require_free_port(bind: str, port: int) -> None:
    """Make sure that a port can be listened on.

    The port is left again: whoever takes it in between makes the server's own attempt fail, only less plainly.

    Raises:
        CannotStartError: It can't.
    """
    try:
        places = socket.getaddrinfo(bind.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        message = f"cannot listen on {bind}: {error.strerror}. Choose another address with --bind."
        raise CannotStartError(message) from error
    for family, kind, protocol, _, place in places:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(place)
            except OSError as error:
                raise CannotStartError(_port_refusal(bind, port, error)) from error


def reason(error: OSError) -> str:
    """Return the system's words for an error."""
    return error.strerror or os.strerror(error.errno or 0)


def _port_refusal(bind: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {bind} is in use by another process. "
            "Stop that, or choose another port with --port (0 lets the system choose)."
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"cannot listen on {bind}: it is no address of this machine. Choose another with --bind."
    return f"cannot listen on port {port} of {bind}: {reason(error)}. Choose another port with --port."
