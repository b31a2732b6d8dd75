"""What the gateway knows, apart from its clients."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from services.ib_host.replay.clock import ReplayClock
from services.ib_host.replay.instruments import Instrument
from services.ib_host.replay.served_history import ServedHistory

ACCOUNT = "REPLAY1"
"""The one account: its name tells everyone that what comes from here is a replay."""


@dataclass(frozen=True)
class Gateway:
    """Shared by all connections and handlers.

    Attributes:
        history: what is replayed.
        instruments: the stocks of the history, by symbol.
        clock: the gateway's present.
        latency: how long each answer with bars takes.
    """

    history: ServedHistory
    instruments: Mapping[str, Instrument]
    clock: ReplayClock
    latency: timedelta
