"""How long answers with bars take."""

from random import Random


class Latency:
    """A time for each answer.

    Args:
        seconds: at least.
        jitter_seconds: up to so much more.
        seed: the same seed, the same times in the same order.
    """

    def __init__(self, seconds: float = 0.0, *, jitter_seconds: float = 0.0, seed: int = 0) -> None:
        self._seconds = seconds
        self._jitter_seconds = jitter_seconds
        self._draw = Random(f"{seed}/latency")

    def next_seconds(self) -> float:
        """Return the time for the next answer."""
        return self._seconds + (self._draw.uniform(0, self._jitter_seconds) if self._jitter_seconds else 0.0)
