"""The client library of the gateway: the only place that knows it, and the part of it that is used, typed.

Two libraries will do, ib_insync and ib_async; they differ in a few places, which are all in here.
"""

from services.ib_host.connection.library.installed import LibraryProblem, library_name
from services.ib_host.connection.library.received import (
    ReceivedSession,
    new_contract,
    received_bars,
    received_head,
    received_sessions,
)
from services.ib_host.connection.library.session import LibraryEvents, LibrarySession

__all__ = [
    "LibraryEvents",
    "LibraryProblem",
    "LibrarySession",
    "ReceivedSession",
    "library_name",
    "new_contract",
    "received_bars",
    "received_head",
    "received_sessions",
]
