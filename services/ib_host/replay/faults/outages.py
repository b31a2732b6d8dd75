"""Troubles of the whole gateway, which last for a while."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.ib_host.replay.background import Background
from services.ib_host.replay.errors import RequestRefused

if TYPE_CHECKING:  # an exchange knows what lasts
    from services.ib_host.replay.faults.exchange import Exchange


@dataclass(eq=False)
class Outage:
    """One trouble.

    Attributes:
        trouble: what all clients are told when it begins; None for nothing.
        end: what they are told when it is over; None for nothing.
        messages: those that it concerns.
        treat: what happens to such a message meanwhile.
        loses_queries: whether the queries open at its beginning are never answered.
        held: what is done once it is over.
    """

    trouble: RequestRefused | None
    end: RequestRefused | None
    messages: frozenset[int]
    treat: "Callable[[Exchange], None]"
    loses_queries: bool = False
    held: list[Callable[[], None]] = field(default_factory=list)


class Outages:
    """The troubles of one gateway.

    Args:
        background: for their ends.
        tell_all: sends a notice to every client.
        lose_queries: makes every client's open queries such that are never answered.
    """

    def __init__(
        self, background: Background, *, tell_all: Callable[[RequestRefused], None], lose_queries: Callable[[], None]
    ) -> None:
        self._background = background
        self._tell_all = tell_all
        self._lose_queries = lose_queries
        self._running: list[Outage] = []

    def begin(self, outage: Outage, *, seconds: float) -> None:
        """Begin a trouble that lasts `seconds`."""
        self._running.append(outage)
        if outage.loses_queries:
            self._lose_queries()
        if outage.trouble is not None:
            self._tell_all(outage.trouble)
        self._background.later(seconds, lambda: self._end(outage))

    def find(self, message_id: int) -> Outage | None:
        """Return the trouble that a message meets; the latest, where there are several."""
        return next((outage for outage in reversed(self._running) if message_id in outage.messages), None)

    def announce(self, notices: Sequence[RequestRefused]) -> list[RequestRefused]:
        """Return what a client that starts is told: `notices`, but troubles instead of what they contradict."""
        contradicted = {outage.end.code for outage in self._running if outage.end is not None}
        troubles = [outage.trouble for outage in self._running if outage.trouble is not None]
        return [notice for notice in notices if notice.code not in contradicted] + troubles

    def _end(self, outage: Outage) -> None:
        self._running.remove(outage)
        if outage.end is not None:
            self._tell_all(outage.end)
        for resume in outage.held:
            resume()
