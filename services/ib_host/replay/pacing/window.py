"""Counting what happened in the last so many seconds."""

from collections import defaultdict, deque
from collections.abc import Hashable

_KEYS_BEFORE_PRUNING = 1024


class SlidingWindow:
    """Counts events in any stretch of time.

    Args:
        seconds: length of the stretch; an event counts for less than this time.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._events: deque[tuple[float, int]] = deque()
        self._total = 0

    def add(self, now: float, weight: int = 1) -> int:
        """Note an event, and return how many there are now with it.

        Args:
            now: seconds of a monotonic clock.
            weight: how much the event counts.
        """
        self.forget(now)
        self._events.append((now, weight))
        self._total += weight
        return self._total

    def forget(self, now: float) -> bool:
        """Drop what no longer counts; return whether nothing is left."""
        while self._events and now - self._events[0][0] >= self._seconds:
            self._total -= self._events.popleft()[1]
        return not self._events


class KeyedWindows:
    """A window for each key; those that hold nothing are dropped.

    Args:
        seconds: length of each.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._windows: defaultdict[Hashable, SlidingWindow] = defaultdict(lambda: SlidingWindow(seconds))

    def add(self, key: Hashable, now: float, weight: int = 1) -> int:
        """Note an event of a key, and return how many of this key there are now with it."""
        if len(self._windows) > _KEYS_BEFORE_PRUNING:
            for idle in [key for key, window in self._windows.items() if window.forget(now)]:
                del self._windows[idle]
        return self._windows[key].add(now, weight)
