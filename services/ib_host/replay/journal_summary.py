"""Counts over everything that a journal has noted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.ib_host.replay.messages import Inbound

_NAMES = {str(int(message)): message.name.lower() for message in Inbound}


@dataclass
class JournalSummary:
    """Counts, from the gateway's start on.

    Attributes:
        requests: frames received, by the message's name (its id where it has none).
        faults: faults that happened, by action.
        violations: messages that came too fast, by the limit that they broke.
        queries: changes of queries for history: opened, answered, cancelled, resumed, dropped.
        peak_open: the most queries that were open at once, of all clients.
    """

    requests: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    queries: Counter[str] = field(default_factory=Counter)
    peak_open: int = 0

    @property
    def open(self) -> int:
        """Queries for history that are open now, of all clients."""
        return self.queries["opened"] - sum(count for change, count in self.queries.items() if change != "opened")

    def frame(self, fields: Sequence[str]) -> None:
        """Count a frame."""
        self.requests[message_name(fields)] += 1

    def query(self, change: str) -> None:
        """Count the beginning or the end of a query."""
        self.queries[change] += 1
        self.peak_open = max(self.peak_open, self.open)


def message_name(fields: Sequence[str]) -> str:
    """Return the name of a message as rules have it, its id where it has none."""
    return _NAMES.get(fields[0], fields[0])
