"""The turn to send one request."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.common.clock import Clock
from services.ib_host.pacing.rules import Urgency
from services.ib_host.pacing.windows import Sent


@dataclass(eq=False)
class Turn:
    """Permission to send one request; it takes a place until the answer.

    Attributes:
        urgency: whose place it takes.
        entries: what it counts in the windows.
        clock: for the time of sending.
        sent_at: when the request was sent, monotonic seconds; None while it was not.
        ended: it takes its place no more.
    """

    urgency: Urgency
    entries: Sequence[Sent]
    clock: Clock
    sent_at: float | None = None
    ended: bool = False

    def sends(self) -> None:
        """Take note that the request is sent now. A turn without that counts for nothing in the end."""
        self.sent_at = self.clock.monotonic()
        for entry in self.entries:
            entry.at, entry.is_sent = self.sent_at, True
