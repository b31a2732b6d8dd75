"""Sliding windows over what was sent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from services.ib_host.pacing.rules import Rule, Use

_LEAST: Final = 2
"""A halved limit never falls below this: the heaviest request must fit."""


@dataclass
class Sent:
    """A request in a window.

    Attributes:
        key: names the window.
        at: when it was sent, monotonic seconds; while it is about to be, when its turn came.
        weight: how much it counts.
        held_seconds: for how long.
        is_sent: False while it is about to be sent: it may leave at any moment, however late.
    """

    key: str
    at: float
    weight: int
    held_seconds: float
    is_sent: bool = True

    def until(self, now: float) -> float:
        """Return when it no longer counts, or would if it were sent now; monotonic seconds."""
        return (self.at if self.is_sent else max(self.at, now)) + self.held_seconds


class Windows:
    """Tells how long a request has to wait so that no window is ever exceeded."""

    def __init__(self) -> None:
        self._sent: dict[str, list[Sent]] = {}

    def wait_seconds(self, now: float, use: Use, *, slowdown: int = 1, requests: int = 1) -> float:
        """Return how long it takes until requests may have been sent; 0 when that may be now.

        Args:
            now: monotonic seconds.
            use: what each of them takes.
            slowdown: divides the limit; with 0 there is none.
            requests: how many, one after the other, each as soon as it may be.
        """
        if not slowdown:
            return 0.0
        most = _limit(use.rule, slowdown)
        each = most // use.weight
        # Beyond a window's worth of requests, each window's worth has to wait for the one before.
        rounds, rest = divmod(requests - 1, each)
        first = _wait(now, self._sent.get(use.key, ()), most - use.weight * (rest + 1))
        return first + rounds * use.rule.held_seconds

    def record(self, now: float, uses: Iterable[Use]) -> Sequence[Sent]:
        """Count a request that is about to be sent.

        Returns:
            Its entries, for `forget`, or to set when it was really sent.
        """
        self._expire(now)
        entries = [Sent(use.key, now, use.weight, use.rule.held_seconds, is_sent=False) for use in uses]
        self.add(entries)
        return entries

    def add(self, entries: Iterable[Sent]) -> None:
        """Count what was sent earlier."""
        for entry in entries:
            self._sent.setdefault(entry.key, []).append(entry)

    def forget(self, entries: Iterable[Sent]) -> None:
        """Count a request no more: it was not sent."""
        for entry in entries:
            known = self._sent.get(entry.key, [])
            # By identity: requests at the same time are equal.
            self._sent[entry.key] = [other for other in known if other is not entry]

    def fullest(self, now: float, kind: str) -> int:
        """Return what is used of the fullest window of a kind, which is the first word of its key."""
        used = (
            sum(entry.weight for entry in entries if entry.until(now) > now)
            for key, entries in self._sent.items()
            if key.split(" ", 1)[0] == kind
        )
        return max(used, default=0)

    def counted(self, now: float) -> Sequence[Sent]:
        """Return everything that still counts."""
        self._expire(now)
        return [entry for entries in self._sent.values() for entry in entries]

    def _expire(self, now: float) -> None:
        for key in list(self._sent):
            left = [entry for entry in self._sent[key] if entry.until(now) > now]
            if left:
                self._sent[key] = left
            else:
                del self._sent[key]


def _limit(rule: Rule, slowdown: int) -> int:
    return max(min(rule.most, _LEAST), rule.most // slowdown)


def _wait(now: float, entries: Iterable[Sent], room: int) -> float:
    """Return the time until what is left of the entries fits into `room`."""
    live = [entry for entry in entries if entry.until(now) > now]
    used, wait = sum(entry.weight for entry in live), 0.0
    if used <= room:
        return wait
    for entry in sorted(live, key=lambda entry: entry.until(now)):
        if used <= room:
            break
        used -= entry.weight
        wait = entry.until(now) - now
    return wait
