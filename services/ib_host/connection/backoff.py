"""How long to wait before the next try."""

from dataclasses import dataclass, field
from random import Random
from typing import Final

_FACTOR: Final = 2.0
_JITTER: Final = 0.25


@dataclass(frozen=True)
class Backoff:
    """Delays that double with each failure in a row, spread so that clients of one gateway don't return all at once.

    Attributes:
        first_seconds: after the first failure.
        longest_seconds: never more than this, spread included.
        random: where the spread comes from.
    """

    first_seconds: float = 1.0
    longest_seconds: float = 60.0
    random: Random = field(default_factory=Random)

    def delay_seconds(self, failures: int) -> float:
        """Return the delay after so many failures in a row (from 1 on): within a quarter around the doubled value."""
        doubled = self.first_seconds * _FACTOR ** min(failures - 1, 30)
        spread = self.random.uniform(1 - _JITTER, 1 + _JITTER)
        return min(self.longest_seconds, max(self.first_seconds, doubled * spread))
