"""How one thing stands, and what to do about it."""

from ktrdr.ib.v1 import ib_pb2

SOCKET = "socket"
CLIENT_ID = "client id"
LINK = "link to IB"
FARMS = "farms"
CLOCK = "clock"
LANGUAGE = "language"
CONTRACTS = "contracts"
PERMISSIONS = "permissions"
PACING = "pacing"


def fine(name: str, text: str) -> ib_pb2.Finding:
    """Return that something is as it should be."""
    return ib_pb2.Finding(name=name, state=ib_pb2.Finding.STATE_OK, text=text)


def warning(name: str, text: str, advice: str) -> ib_pb2.Finding:
    """Return that something works, but not as well as it should."""
    return ib_pb2.Finding(name=name, state=ib_pb2.Finding.STATE_WARNING, text=text, advice=advice)


def problem(name: str, text: str, advice: str) -> ib_pb2.Finding:
    """Return that something does not work."""
    return ib_pb2.Finding(name=name, state=ib_pb2.Finding.STATE_PROBLEM, text=text, advice=advice)


def skipped(name: str, text: str, advice: str = "") -> ib_pb2.Finding:
    """Return that something could not be looked at."""
    return ib_pb2.Finding(name=name, state=ib_pb2.Finding.STATE_SKIPPED, text=text, advice=advice)
