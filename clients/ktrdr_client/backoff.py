"""Pauses between tries: growing, capped, and spread at random."""

import random
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """Exponential backoff with full jitter: each pause is drawn from 0 to a bound that grows with each failure."""

    first_seconds: float = 0.2
    factor: float = 2.0
    limit_seconds: float = 5.0
    source: random.Random = field(default_factory=random.Random)
    failures: int = 0
    """Failures in a row so far."""

    def next_pause_seconds(self) -> float:
        """Count a failure and return how long to wait before the next try."""
        bound = min(self.limit_seconds, self.first_seconds * self.factor**self.failures)
        self.failures += 1
        return self.source.uniform(0.0, bound)

    def reset(self) -> None:
        """Forget the failures: it works again."""
        self.failures = 0
