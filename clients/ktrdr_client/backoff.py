"""Pauses between tries: growing, capped, and spread at random."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ktrdr_client.errors import DeadlineExceeded, KtrdrError, ResourceExhausted, Unavailable

PASSING: Final = (Unavailable, DeadlineExceeded, ResourceExhausted)
"""Errors after which the same call may succeed."""

Interruption = Callable[[KtrdrError, float], None]
"""Told about each lost stream: the error, and the seconds until the next try."""


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

    async def pause(self, error: KtrdrError | None, tell: Interruption | None = None) -> None:
        """Wait before the next try, as long as the server asks for at least.

        Args:
            error: Why there is a next one; None where a stream has just ended.
            tell: Told about the error, and how long the pause is.
        """
        pause_seconds = self.next_pause_seconds()
        if error is not None:
            if error.retry_after is not None:
                pause_seconds = max(pause_seconds, error.retry_after.total_seconds())
            if tell is not None:
                tell(error, pause_seconds)
        await asyncio.sleep(pause_seconds)

    def reset(self) -> None:
        """Forget the failures: it works again."""
        self.failures = 0
