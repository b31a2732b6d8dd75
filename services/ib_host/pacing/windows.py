"""IB's pacing rules for bars of 30 seconds or less."""

from collections import deque
from collections.abc import Hashable, Iterable
from typing import Final, NamedTuple


class _Rule(NamedTuple):
    most: int
    seconds: float


IDENTICAL: Final = _Rule(1, 15.0)
"""The same request again within 15 seconds is a violation."""
SERIES: Final = _Rule(5, 2.0)
"""So are six or more for the same contract, exchange and kind of price within two seconds."""
ALL: Final = _Rule(60, 600.0)
"""So are more than sixty within ten minutes."""


class HistoryWindows:
    """Tells how long a request for short bars has to wait.

    IB publishes these rules for bars of 30 seconds or less; longer bars have no hard limit.
    """

    def __init__(self) -> None:
        self._all: deque[float] = deque()
        self._series: dict[Hashable, deque[float]] = {}
        self._identical: dict[Hashable, deque[float]] = {}

    def wait_seconds(self, now: float, *, series: Hashable, request: Hashable) -> float:
        """Return how long to wait before sending; 0 when it may be sent now.

        Args:
            now: monotonic seconds.
            series: contract, exchange and kind of price.
            request: everything that makes requests identical.
        """
        self._expire(now)
        return max(
            _left(self._all, ALL, now),
            _left(self._series.get(series, ()), SERIES, now),
            _left(self._identical.get(request, ()), IDENTICAL, now),
            0.0,
        )

    def record(self, now: float, *, series: Hashable, request: Hashable) -> None:
        """Count a request that is sent now."""
        self._all.append(now)
        self._series.setdefault(series, deque()).append(now)
        self._identical.setdefault(request, deque()).append(now)

    def _expire(self, now: float) -> None:
        _drop_old(self._all, ALL, now)
        for table, rule in ((self._series, SERIES), (self._identical, IDENTICAL)):
            for key in list(table):
                _drop_old(table[key], rule, now)
                if not table[key]:
                    del table[key]


def _left(times: Iterable[float], rule: _Rule, now: float) -> float:
    recent = sorted(times)
    return recent[-rule.most] + rule.seconds - now if len(recent) >= rule.most else 0.0


def _drop_old(times: deque[float], rule: _Rule, now: float) -> None:
    while times and times[0] + rule.seconds <= now:
        times.popleft()
