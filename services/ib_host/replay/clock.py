"""What time it is for the gateway."""

from datetime import UTC, datetime


class ReplayClock:
    """A clock that stands still in the time of the recording, so that each replay of a scenario sees the same market.

    Everything that depends on the time asks it: message 49, an empty end date, which bars exist already.

    Args:
        now: aware; the gateway's present.
    """

    def __init__(self, now: datetime) -> None:
        if now.tzinfo is None:
            message = "the replay clock needs a time with a zone"
            raise ValueError(message)
        self._now = now.astimezone(UTC)

    def now(self) -> datetime:
        """Return the present, in UTC."""
        return self._now
