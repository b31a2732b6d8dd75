"""Where what is asked for meets what is stored: the bars there are asked for again, to see whether they still agree.

A split that happened since they were stored changes all prices before it. Bars from before and after must never be side
by side, so the seams are asked for before anything else.
"""

from collections.abc import Iterable, Sequence

from services.ib_host.bar_sizes import BarLength
from services.ib_host.ledger.spans import merged
from services.ib_host.loading.stored_times import StoredTimes
from services.ib_host.loading.wanted import bar_end
from services.ib_host.planning.sizing import ChunkSizer
from services.ib_host.planning.span import Span


def with_seams(
    spans: Iterable[Span], stored: StoredTimes, bar: BarLength, sizer: ChunkSizer, *, newest_first: bool
) -> tuple[Sequence[Span], Sequence[Span]]:
    """Return what to ask for first, and what after it: some spans, and the stored bars next to each.

    A neighbour joins the span where that costs no request, and comes early enough: at the end where the span is begun.

    Args:
        spans: ascending; none touches the next.
        stored: the bars that there are.
        bar: their length.
        sizer: knows how many requests a span takes.
        newest_first: whether spans are begun at their ends.
    """
    first: list[Span] = []
    then: list[Span] = []
    for span in spans:
        before, after = stored.before(span.start), stored.since(span.end)
        older = Span(before, before + bar_end(bar)) if before is not None else None
        newer = Span(after, after + bar_end(bar)) if after is not None else None
        joined = span
        for seam, at_the_beginning in ((older, not newest_first), (newer, newest_first)):
            if seam is None:
                continue
            together = Span(min(joined.start, seam.start), max(joined.end, seam.end))
            requests = sizer.estimate([together])
            if requests == 1 or (at_the_beginning and requests <= sizer.estimate([joined])):
                joined = together
            else:
                first.append(seam)
        then.append(joined)
    return merged(first), merged(then)
