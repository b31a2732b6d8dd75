"""What IB's rules allow: each request sent in the very moment in which it breaks none of them."""

import heapq
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Final

from tests.support.paced_requests import Asked

_OPEN: Final = 50
_OPEN_FOR_LOADS: Final = 48
"""The other places are people's."""
_MESSAGES: Final = 45
"""In a second; IB takes 50, but the client library lets no more through."""
_Rule = tuple[Hashable, int, float, int]


def offline_greedy(requests: Iterable[Asked]) -> Sequence[tuple[float, Asked]]:
    """Return when each request is sent, in the order of sending.

    IB's own rules count, without any margin. Whenever something changes, those that have arrived are looked at in the
    order of their arrival, and each that may be sent is sent.
    """
    coming = sorted(requests, key=lambda asked: asked.arrives)
    waiting: list[Asked] = []
    sent: list[tuple[float, Asked]] = []
    used: dict[Hashable, list[tuple[float, int]]] = {}
    open_until: list[tuple[float, bool]] = []
    moments = [asked.arrives for asked in coming]
    while moments:
        now = heapq.heappop(moments)
        while coming and coming[0].arrives <= now:
            waiting.append(coming.pop(0))
        open_until = [(until, person) for until, person in open_until if until > now]
        for key, entries in used.items():
            used[key] = [(until, weight) for until, weight in entries if until > now]
        left = []
        for asked in waiting:
            rules = list(_rules(asked))
            fits = all(sum(weight for _, weight in used.get(key, ())) + own <= most for key, most, _, own in rules)
            loads = sum(not person for _, person in open_until)
            if not fits or len(open_until) >= _OPEN or (loads >= _OPEN_FOR_LOADS and not asked.person):
                left.append(asked)
                continue
            sent.append((now, asked))
            if asked.takes:
                open_until.append((now + asked.takes, asked.person))
                heapq.heappush(moments, now + asked.takes)
            for key, _, seconds, own in rules:
                used.setdefault(key, []).append((now + seconds, own))
                heapq.heappush(moments, now + seconds)
        waiting = left
    return sent


def _rules(asked: Asked) -> Iterator[_Rule]:
    """Yield what a request takes: of which window, how much it holds, its length in seconds, and the weight there."""
    yield "messages", _MESSAGES, 1.0, 1
    if asked.short_bars and not asked.person:
        weight = 2 if asked.what == "BID_ASK" else 1
        yield "all", 60, 600.0, weight
        yield ("series", asked.series, asked.what), 5, 2.0, weight
        yield ("identical", asked.series, asked.what, asked.number), 1, 15.0, 1
