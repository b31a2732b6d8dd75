"""Which bars a load wants, by its mode."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from ktrdr.ib.v1 import ib_pb2

from services.ib_host.bar_sizes import BarLength
from services.ib_host.ledger.spans import merged
from services.ib_host.loading.stored_times import StoredTimes
from services.ib_host.planning.span import Span

Mode = ib_pb2.DataLoadSpec

_DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Wish:
    """What the request says.

    Attributes:
        mode: of the load; never unspecified.
        start: first instant; None where it says none.
        end: exclusive; None where it says none.
        reload: ask also for what is known.
    """

    mode: "ib_pb2.DataLoadSpec.Mode.ValueType"
    start: datetime | None
    end: datetime | None
    reload: bool

    @classmethod
    def read(cls, spec: ib_pb2.DataLoadSpec) -> "Wish":
        """Read a spec that has been checked."""
        return cls(
            mode=spec.mode or Mode.MODE_RANGE,
            start=spec.start_time.ToDatetime(UTC) if spec.HasField("start_time") else None,
            end=spec.end_time.ToDatetime(UTC) if spec.HasField("end_time") else None,
            reload=spec.reload,
        )


@dataclass(frozen=True)
class Wanted:
    """What a load is about, for one instrument.

    Attributes:
        spans: of these it asks what is not known yet.
        again: of these it asks in any case.
    """

    spans: Sequence[Span]
    again: Sequence[Span]

    @property
    def whole(self) -> Span | None:
        """From the first instant to the last; None where there is nothing to load."""
        spans = merged([*self.spans, *self.again])
        return Span(spans[0].start, spans[-1].end) if spans else None


def wanted(
    wish: Wish, bar: BarLength, *, closed: datetime, floor: datetime, stored: StoredTimes, failed: Sequence[Span]
) -> Wanted:
    """Return what a mode stands for.

    Args:
        wish: what the request says.
        bar: length of the bars.
        closed: every bar that starts before it is over; nothing after it is asked for.
        floor: where history, or the request, begins: for modes that go back to it.
        stored: the bars that there are.
        failed: what earlier loads failed to get.
    """
    end = closed if wish.end is None else min(wish.end, closed)
    backwards = wish.mode in {Mode.MODE_BACKFILL, Mode.MODE_FULL}
    start = floor if backwards or wish.start is None else wish.start
    last, first = stored.last, stored.first
    if wish.mode == Mode.MODE_TAIL and last is not None and first is not None:
        again = [_span(last, last + bar_end(bar), bar, closed)]
        spans = [_span(last, end, bar, closed), *_between(failed, first, end)]
    elif wish.mode == Mode.MODE_BACKFILL and last is not None and first is not None:
        again = []
        spans = [_span(start, first, bar, closed), *_between(failed, start, last)]
    else:
        again = []
        spans = [_span(start, end, bar, closed)]
    spans = merged(spans)
    return Wanted([], merged([*spans, *again])) if wish.reload else Wanted(spans, merged(again))


def bar_end(bar: BarLength) -> timedelta:
    """Return the shortest stretch that the start of a bar is alone in: of dated bars its day."""
    return min(bar.length, _DAY)


def whole_days(span: Span) -> Span:
    """Return a span from midnight to midnight that has all dates of another one."""
    last = (span.end - _MICROSECOND).date()
    return Span(_midnight(span.start), datetime.combine(last, time(), UTC) + _DAY)


def _span(start: datetime, end: datetime, bar: BarLength, closed: datetime) -> Span:
    span = Span(start.astimezone(UTC), end.astimezone(UTC))
    if bar.dated and span.start < span.end:
        span = whole_days(span)
    return Span(span.start, min(span.end, closed))


def _between(spans: Sequence[Span], start: datetime, end: datetime) -> list[Span]:
    return [Span(max(span.start, start), min(span.end, end)) for span in spans]


def _midnight(instant: datetime) -> datetime:
    return datetime.combine(instant.date(), time(), UTC)
