"""When to poll a host again."""

import hashlib
import random
from dataclasses import dataclass
from typing import Final

_GROWTH: Final = 1.5
_BACKOFF_FIRST_SECONDS: Final = 0.5
_BACKOFF_LONGEST_SECONDS: Final = 30.0
_BACKOFF_SHORTEST_SECONDS: Final = 0.02
_BACKOFF_DOUBLINGS: Final = 10
_HEALTHY_AFTER_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Intervals:
    """Pauses between polls, in seconds.

    Attributes:
        watched: While somebody watches or waits.
        shortest: After changes, while nobody does.
        longest: The most it grows to while nothing changes.
    """

    watched: float = 0.02
    shortest: float = 1.0
    longest: float = 10.0


class Pacing:
    """Chooses the pause after each poll of one host.

    Answers: a short pause while somebody watches or waits (the long poll itself waits for the next change); otherwise
    it begins at the shortest interval after a change and grows by half while nothing changes.

    Failures back off on their own: 0.5 s, doubled up to 30 s, of which a random share is waited ("full jitter", Brooker
    2015), so that hosts that failed together do not come back together. One good answer does not make a host healthy:
    the backoff starts anew only when it has answered for a minute.

    Args:
        intervals: The pauses.
        rng: Source of the jitter.
    """

    def __init__(self, intervals: Intervals, rng: random.Random) -> None:
        self._intervals = intervals
        self._rng = rng
        self._idle = intervals.shortest
        self._doublings = 0
        self._healthy_since: float | None = None

    def after_answer(self, *, changed: bool, watched: bool, now: float) -> float:
        """Return the pause after an answer, in seconds.

        Args:
            changed: The answer told of changes.
            watched: Somebody watches or waits.
            now: Monotonic time.
        """
        if self._healthy_since is None:
            self._healthy_since = now
        if now - self._healthy_since >= _HEALTHY_AFTER_SECONDS:
            self._doublings = 0
        if changed:
            self._idle = self._intervals.shortest
            pause = self._idle
        else:
            pause = self._idle
            self._idle = min(self._idle * _GROWTH, self._intervals.longest)
        return self._intervals.watched if watched else pause

    def stretched(self, pause_seconds: float, stretch: float) -> float:
        """Return a longer pause, as the event loop has no time for the shorter one; none is longer than the longest.

        Args:
            pause_seconds: The pause.
            stretch: By how many times it is to be longer.
        """
        return max(pause_seconds, min(pause_seconds * stretch, self._intervals.longest))

    def after_failure(self) -> float:
        """Return the pause after a failed poll, in seconds."""
        self._healthy_since = None
        ceiling = min(_BACKOFF_FIRST_SECONDS * 2**self._doublings, _BACKOFF_LONGEST_SECONDS)
        self._doublings = min(self._doublings + 1, _BACKOFF_DOUBLINGS)
        return max(_BACKOFF_SHORTEST_SECONDS, self._rng.uniform(0.0, ceiling))


def in_turn(pause_seconds: float, *, asked_at: float, now: float, turn: float) -> float:
    """Return how long to wait, so that a host that always has news is asked once in each pause, at its own turn.

    Counted from the end of a poll, the time that taking answers in needs would add to each pause, and hosts that once
    waited for the same transaction would ask together for ever.

    Args:
        pause_seconds: Time from one question to the next.
        asked_at: Monotonic time of the last question.
        now: Monotonic time.
        turn: Monotonic time of any question in turn: the last one, where pauses change.
    """
    earliest = max(now, asked_at + pause_seconds / 4)
    return earliest + (turn - earliest) % pause_seconds - now


def first_poll_delay(name: str, spread_seconds: float) -> float:
    """Return how long after the start a host is polled first.

    A hash of its name spreads hosts evenly, and the same at each start.

    Args:
        name: Name of the host.
        spread_seconds: Time over which all hosts are spread.
    """
    digest = hashlib.sha256(name.encode()).digest()
    return spread_seconds * int.from_bytes(digest[:8], "big") / 2**64
