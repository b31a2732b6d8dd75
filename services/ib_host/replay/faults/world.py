"""What faults can do to the whole gateway."""

from collections.abc import Callable
from dataclasses import dataclass

from services.ib_host.replay.background import Background
from services.ib_host.replay.faults.outages import Outages
from services.ib_host.replay.revised_history import RevisedHistory


@dataclass(frozen=True)
class World:
    """The gateway, as far as faults change it.

    Attributes:
        outages: troubles that last.
        background: for what comes later; ends with the gateway.
        refuse_connections: stops listening for so many seconds.
        drop_all: closes all connections, True with a reset.
        keep_client_ids: keeps the ids of all present clients taken for so many seconds after they have left.
        history: what is replayed.
    """

    outages: Outages
    background: Background
    refuse_connections: Callable[[float], None]
    drop_all: Callable[[bool], None]
    keep_client_ids: Callable[[float], None]
    history: RevisedHistory
