"""How long the rest of a load takes."""

from collections import deque
from collections.abc import Callable
from statistics import median
from typing import Final

from services.ib_host.pacing.waiting import PacingWait

_RECENT: Final = 15


class LoadPace:
    """Foretells from how long recent chunks took, and from when IB's limits let the last one be asked for.

    Of recent chunks the median counts, so that one outage does not count for all that is left.
    """

    def __init__(self) -> None:
        self._own_seconds: deque[float] = deque(maxlen=_RECENT)
        self._until_sent: Callable[[int], float] = lambda _: 0.0
        self._held_back_seconds = 0.0
        self._paced = False

    def chunk_over(self, seconds: float) -> None:
        """A chunk is over.

        Args:
            seconds: how long it took, with all waiting.
        """
        self._own_seconds.append(max(0.0, seconds - self._held_back_seconds))
        self._held_back_seconds = 0.0

    def paced(self, wait: PacingWait) -> None:
        """The limits hold a request back, or have let it go."""
        self._until_sent, self._paced = wait.until_sent, True
        if wait.seconds <= 0.0:
            self._held_back_seconds += wait.waited_seconds

    def rest_seconds(self, chunks: int) -> float | None:
        """Return how long so many chunks take; None while nothing tells.

        Work goes on while the limits hold back: the longer of the two counts.
        """
        if chunks <= 0:
            return 0.0
        if not self._own_seconds and not self._paced:
            return None
        work = chunks * median(self._own_seconds) if self._own_seconds else 0.0
        return max(work, self._until_sent(chunks))
