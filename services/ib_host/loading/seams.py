"""Where what is asked for meets what is stored: the bars there come again, to see whether they still agree.

A split changes all prices before it. Bars from before and after must never be side by side: not when it happened
between two loads, and not when it happens while one is under way. So requests reach over the borders of their chunks,
and what no request reaches is asked for by itself, before anything else.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from services.ib_host.bar_sizes import BarLength
from services.ib_host.ledger.spans import merged
from services.ib_host.loading.stored_times import StoredTimes
from services.ib_host.loading.wanted import bar_end
from services.ib_host.planning.chunks import Chunk
from services.ib_host.planning.sizing import ChunkSizer
from services.ib_host.planning.span import Span

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


class Cut(NamedTuple):
    """A chunk that was cut off a span.

    Attributes:
        chunk: the chunk; its request may reach further.
        meets: whether the request reaches the stored bars next to it, where there are any.
    """

    chunk: Chunk
    meets: bool


class Seams:
    """Knows the bars that a load meets.

    Args:
        stored: the bars that there were when it began.
        bar: their length.
        sizer: cuts spans.
        newest_first: whether spans are begun at their ends.
    """

    def __init__(self, stored: StoredTimes, bar: BarLength, sizer: ChunkSizer, *, newest_first: bool) -> None:
        self._stored = stored
        self._bar = bar
        self._sizer = sizer
        self._newest_first = newest_first
        self._loaded: list[datetime] = []

    def loaded(self, first: datetime, last: datetime) -> None:
        """Take note of bars that were stored: the first and the last of a chunk."""
        insort(self._loaded, first)
        insort(self._loaded, last)

    def apart(self, spans: Iterable[Span]) -> Sequence[Span]:
        """Return the stored bars next to some spans that no request for these reaches; ascending.

        Args:
            spans: ascending; none touches the next.
        """
        found: list[Span] = []
        for span in spans:
            older, newer = self._neighbours(span)
            if self._sizer.estimate([self._reaching(span, older, newer)]) == 1:
                continue
            near, far = (newer, older) if self._newest_first else (older, newer)
            if far is not None:
                found.append(Span(far, far + bar_end(self._bar)))
            if near is not None and not self.cut(span).meets:
                found.append(Span(near, near + bar_end(self._bar)))
        return merged(found)

    def reaches(self, bar: Span, spans: Iterable[Span]) -> bool:
        """Tell whether a stored bar is next to one of some spans, and so comes with it, or apart."""
        return any(bar.start in self._neighbours(span) for span in spans)

    def cut(self, span: Span) -> Cut:
        """Cut the next chunk off a span.

        Args:
            span: not empty; none of its bars is stored.
        """
        older, newer = self._neighbours(span)
        whole = self._reaching(span, older, newer)
        chunk = self._next(whole)
        if chunk.start <= whole.start and whole.end <= chunk.end:
            return Cut(Chunk(span.start, span.end, chunk.ask), meets=True)
        near = newer if self._newest_first else older
        plain = self._next(span)
        if near is None:
            return Cut(plain, meets=True)
        reaching = self._reaching(span, None, newer) if self._newest_first else self._reaching(span, older, None)
        chunk = self._next(reaching)
        start, end = max(chunk.start, span.start), min(chunk.end, span.end)
        if 2 * (end - start) >= plain.end - plain.start:
            return Cut(Chunk(start, end, chunk.ask), meets=True)
        return Cut(plain, meets=False)

    def _next(self, span: Span) -> Chunk:
        return self._sizer.next_chunk(span, newest_first=self._newest_first)

    def _neighbours(self, span: Span) -> tuple[datetime | None, datetime | None]:
        """Return the times of the last stored bar before a span, and of the first one after it."""
        low, high = bisect_left(self._loaded, span.start), bisect_left(self._loaded, span.end)
        before = [self._stored.before(span.start), self._loaded[low - 1] if low else None]
        after = [self._stored.since(span.end), self._loaded[high] if high < len(self._loaded) else None]
        return (
            max((time for time in before if time is not None), default=None),
            min((time for time in after if time is not None), default=None),
        )

    def _reaching(self, span: Span, older: datetime | None, newer: datetime | None) -> Span:
        """Return a span that reaches over its neighbours, far enough that they come whole."""
        margin = self._bar.length if cut_at_borders(self._bar) else timedelta()
        start = span.start if older is None else older - margin
        end = span.end if newer is None else newer + bar_end(self._bar) + margin
        return Span(min(start, span.start), max(end, span.end))


def cut_at_borders(bar: BarLength) -> bool:
    """Tell whether the first and last bar of an answer may be cut off: hours, weeks and months may begin before it."""
    return _HOUR <= bar.length < _DAY or bar.length > _DAY
