"""Arithmetic of stretches of time."""

from collections.abc import Iterable
from datetime import datetime

from services.ib_host.planning.span import Span


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return the spans that these cover together: ascending, and none touches the next."""
    found: list[Span] = []
    for start, end in sorted(span for span in spans if span.start < span.end):
        if found and start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, end))
        else:
            found.append(Span(start, end))
    return found


def without(spans: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """Return what is left of some spans: ascending, and none touches the next."""
    left: list[Span] = []
    gone = merged(taken)
    for start, end in merged(spans):
        at = start
        for low, high in gone:
            if high <= at or low >= end:
                continue
            if low > at:
                left.append(Span(at, low))
            at = max(at, high)
        if at < end:
            left.append(Span(at, end))
    return left


def within(spans: Iterable[Span], start: datetime, end: datetime) -> list[Span]:
    """Return the parts of some spans that lie in [start, end): ascending, and none touches the next."""
    return merged(Span(max(span.start, start), min(span.end, end)) for span in spans)
