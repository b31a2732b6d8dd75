"""What follows when IB says that it was asked too fast."""

from dataclasses import dataclass
from typing import Final

PAUSES_SECONDS: Final = (15.0, 60.0, 600.0)
"""After the first, second and each further violation in a row."""
CALM_SECONDS: Final = 600.0
"""Time without violation after which the rate doubles again, and violations are no longer in a row."""
MOST_SLOWDOWN: Final = 8
QUIET_SECONDS: Final = 3600.0
"""Time without violation after which they are no longer counted."""


@dataclass
class Violations:
    """Pauses, and the rate after them. All times are monotonic seconds.

    Attributes:
        in_a_row: violations so far.
        noticed_at: when the last one was told.
        paused_until: end of its pause.
        peak_slowdown: what the rate was divided by at that time.
        count: violations since the last quiet hour before the last one.
    """

    in_a_row: int = 0
    noticed_at: float = float("-inf")
    paused_until: float = float("-inf")
    peak_slowdown: int = 1
    count: int = 0

    def violated(self, now: float, *, sent_at: float) -> bool:
        """Take the news of a violation: loads pause, longer each time, and the rate is halved.

        Args:
            now: of the news.
            sent_at: when the request was sent that it is about.

        Returns:
            Whether it is a new one: requests that were under way when the last one was told belong to that one.
        """
        if sent_at <= self.noticed_at:
            return False
        slowdown = self.slowdown(now)
        row = self.in_a_row if now - self.paused_until < CALM_SECONDS else 0
        self.peak_slowdown = min(MOST_SLOWDOWN, slowdown * 2)
        self.in_a_row = row + 1
        self.count = self.counted(now) + 1
        self.noticed_at = now
        self.paused_until = max(self.paused_until, now + PAUSES_SECONDS[min(row, len(PAUSES_SECONDS) - 1)])
        return True

    def counted(self, now: float) -> int:
        """Return the violations since the last quiet hour."""
        return self.count if now - self.noticed_at < QUIET_SECONDS else 0

    def pause_seconds(self, now: float) -> float:
        """Return how long the pause still lasts; 0 for none."""
        return max(0.0, self.paused_until - now)

    def slowdown(self, now: float) -> int:
        """Return what the rate is divided by: a power of two, 1 when all is well."""
        calm = now - self.paused_until
        halvings = MOST_SLOWDOWN if calm > MOST_SLOWDOWN * CALM_SECONDS else max(0, int(calm // CALM_SECONDS))
        return max(1, self.peak_slowdown >> halvings)
