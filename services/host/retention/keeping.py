"""Which finished sessions have been kept long enough."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.host.session import HostedSession


@dataclass(frozen=True)
class KeepLimits:
    """How long things are kept.

    Attributes:
        age: Finished sessions that ended longer ago are removed.
        count: The newest so many finished sessions are kept, the others are removed.
        tombstone_age: What is left of a removed session is forgotten after this time.
        lease_age: A reader that does not come for so long is forgotten.
        reader_grace: Nothing is removed for so long after the start while no reader is known: those of a host that was
            updated, or has lost its database, have to come first.
    """

    age: timedelta
    count: int
    tombstone_age: timedelta
    lease_age: timedelta
    reader_grace: timedelta = timedelta()


def overdue(finished: Sequence[HostedSession], limits: KeepLimits, now: datetime) -> list[HostedSession]:
    """Return the sessions that are beyond the limits, those first that finished first.

    Args:
        finished: All finished sessions, in the order they finished.
        limits: The limits.
        now: The time.
    """
    surplus = len(finished) - limits.count
    return [
        session
        for place, session in enumerate(finished)
        if session.settled is not None and (place < surplus or now - session.settled.end_time > limits.age)
    ]
