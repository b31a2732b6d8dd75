"""What time it is for the gateway."""

from datetime import UTC, datetime, timedelta

from services.common.clock import Clock


class ReplayClock:
    """The gateway's present. It stands still, so that each replay of a scenario sees the same market, or runs.

    Everything that depends on the time asks it: message 49, an empty end date, which bars and splits exist already.

    Args:
        now: aware; the gateway's present.
        speed: how many seconds it moves on in one second of `wall_clock`; 0 for a clock that stands still.
        wall_clock: needed where it runs.
    """

    def __init__(self, now: datetime, *, speed: float = 0.0, wall_clock: Clock | None = None) -> None:
        if now.tzinfo is None:
            message = "the replay clock needs a time with a zone"
            raise ValueError(message)
        if speed and wall_clock is None:
            message = "a replay clock that runs needs a clock to run by"
            raise ValueError(message)
        self._now = now.astimezone(UTC)
        self._speed = speed
        self._wall_clock = wall_clock
        self._since = wall_clock.monotonic() if wall_clock else 0.0

    def now(self) -> datetime:
        """Return the present, in UTC."""
        if self._wall_clock is None or not self._speed:
            return self._now
        return self._now + timedelta(seconds=(self._wall_clock.monotonic() - self._since) * self._speed)

    def move_to(self, now: datetime) -> None:
        """Go to another present, aware; a clock that runs goes on from there."""
        self._now = now.astimezone(UTC)
        self._since = self._wall_clock.monotonic() if self._wall_clock else 0.0

    def seconds_until(self, instant: datetime) -> float | None:
        """Return how long it takes until an aware instant is reached: 0 where it has been, None where it never is."""
        missing = (instant - self.now()).total_seconds()
        if missing <= 0:
            return 0.0
        return missing / self._speed if self._speed else None
