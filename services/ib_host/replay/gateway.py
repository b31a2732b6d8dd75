"""What the gateway knows, apart from its clients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.common.clock import Clock
from services.ib_host.replay.clock import ReplayClock
from services.ib_host.replay.faults.messages import contract_id, symbol
from services.ib_host.replay.instruments import Instrument
from services.ib_host.replay.latency import Latency
from services.ib_host.replay.served_history import ServedHistory

ACCOUNT = "REPLAY1"
"""The one account: its name tells everyone that what comes from here is a replay."""


@dataclass(frozen=True)
class Gateway:
    """Shared by all connections and handlers.

    Attributes:
        history: what is replayed.
        instruments: those of the history, by symbol.
        clock: the gateway's present.
        wall_clock: by which it waits.
        latency: how long each answer with bars takes.
    """

    history: ServedHistory
    instruments: Mapping[str, Instrument]
    clock: ReplayClock
    wall_clock: Clock
    latency: Latency

    def listed_at(self, fields: Sequence[str]) -> frozenset[str]:
        """Return where the instruments that a message's contract may mean are listed."""
        con_id, name = contract_id(fields), symbol(fields)
        return frozenset(
            instrument.primary_exchange
            for instrument in self.instruments.values()
            if con_id == str(instrument.con_id) or (name and name == instrument.symbol)
        )
