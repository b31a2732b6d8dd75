"""What each mode wants, given what is stored; and how chunks meet the bars that there are."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.common.errors import ServiceError
from services.ib_host.bar_sizes import BAR_LENGTHS, BarLength
from services.ib_host.ledger.spans import merged, without
from services.ib_host.loading.incomplete import LoadFailures, concerns_everything
from services.ib_host.loading.seams import Seams
from services.ib_host.loading.stored_times import StoredTimes
from services.ib_host.loading.wanted import Mode, Wanted, Wish, wanted
from services.ib_host.planning.sizing import ChunkSizer
from services.ib_host.planning.span import Span
from services.ib_host.store.columns import microseconds

DAILY = BAR_LENGTHS[bars_pb2.BAR_SIZE_1_DAY]
MINUTE = BAR_LENGTHS[bars_pb2.BAR_SIZE_1_MINUTE]
HOURLY = BAR_LENGTHS[bars_pb2.BAR_SIZE_1_HOUR]
FLOOR = datetime(2000, 3, 1, tzinfo=UTC)
CLOSED = datetime(2013, 3, 2, tzinfo=UTC)


def day(year: int, month: int = 1, number: int = 1) -> datetime:
    return datetime(year, month, number, tzinfo=UTC)


def times(*moments: datetime) -> StoredTimes:
    return StoredTimes(np.array([microseconds(moment) for moment in moments], dtype=np.int64))


def want(
    mode: int,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    reload: bool = False,
    stored: StoredTimes | None = None,
    failed: tuple[Span, ...] = (),
) -> Wanted:
    wish = Wish(Mode.Mode.ValueType(mode), start, end, reload)
    return wanted(wish, DAILY, closed=CLOSED, floor=FLOOR, stored=stored or times(), failed=failed)


STORED = times(day(2008, 1, 2), day(2009, 6, 1), day(2010, 12, 31))
LAST = Span(day(2010, 12, 31), day(2011))


@pytest.mark.parametrize(
    ("mode", "spans", "again"),
    [
        (Mode.MODE_TAIL, [Span(day(2010, 12, 31), CLOSED)], [LAST]),
        (Mode.MODE_BACKFILL, [Span(FLOOR, day(2008, 1, 2))], []),
        (Mode.MODE_FULL, [Span(FLOOR, CLOSED)], []),
    ],
)
def test_modes_begin_where_the_stored_bars_end(mode: int, spans: list[Span], again: list[Span]) -> None:
    found = want(mode, stored=STORED)
    assert (found.spans, found.again) == (spans, again)
    assert want(mode, stored=STORED, reload=True) == Wanted([], merged([*spans, *again]))


def test_where_nothing_is_stored_a_tail_begins_at_its_start_and_a_backfill_at_its_end() -> None:
    assert want(Mode.MODE_TAIL, start=day(2012)).spans == [Span(day(2012), CLOSED)]
    assert want(Mode.MODE_BACKFILL, end=day(2005)).spans == [Span(FLOOR, day(2005))]


def test_dates_count_and_nothing_beyond_what_is_over_is_wanted() -> None:
    noon = timedelta(hours=12)
    assert want(Mode.MODE_RANGE, start=day(2012) + noon, end=day(2012, 1, 5) + noon).spans == [
        Span(day(2012), day(2012, 1, 6))
    ]
    assert want(Mode.MODE_RANGE, start=day(2013, 2, 1), end=day(2030)).spans == [Span(day(2013, 2, 1), CLOSED)]
    assert want(Mode.MODE_RANGE, start=day(2020), end=day(2030)).whole is None


def test_what_failed_is_wanted_again_by_tail_and_backfill() -> None:
    failed = (Span(day(2009, 2, 1), day(2009, 3, 1)), Span(day(2012), day(2012, 2, 1)))
    assert want(Mode.MODE_TAIL, stored=STORED, failed=failed).spans[0] == failed[0]
    assert want(Mode.MODE_BACKFILL, stored=STORED, failed=failed).spans == [Span(FLOOR, day(2008, 1, 2)), failed[0]]


bars = st.sampled_from([DAILY, MINUTE, HOURLY])


@given(bars, st.booleans(), st.lists(st.integers(0, 3000), max_size=4, unique=True), st.integers(1, 600))
@settings(max_examples=60)
def test_chunks_tile_a_span_whatever_is_stored_around_it(
    bar: BarLength, newest_first: bool, stored: list[int], length: int
) -> None:
    unit = timedelta(days=1) if bar.dated else timedelta(hours=6)
    start = day(2012)
    span = Span(start, start + length * unit)
    around = [start - 1500 * unit + number * unit for number in sorted(stored)]
    outside = [moment for moment in around if not span.start <= moment < span.end]
    sizer = ChunkSizer(bar, security_type=bars_pb2.SECURITY_TYPE_STOCK, use_rth=True)
    seams = Seams(times(*outside), bar, sizer, newest_first=newest_first)
    left, chunks = [span], []
    while left:
        chunk, _ = seams.cut(left[-1] if newest_first else left[0])
        assert chunk.start < chunk.end
        chunks.append(Span(chunk.start, chunk.end))
        left = without(left, chunks)
        sizer.answered(chunk, bars=100, seconds=1.0)
        seams.loaded(chunk.start, chunk.start)
    ordered = sorted(chunks)
    assert (ordered[0].start, ordered[-1].end) == span
    assert all(before.end == after.start for before, after in pairwise(ordered))


@given(bars, st.booleans(), st.integers(1, 400), st.integers(1, 400))
@settings(max_examples=60)
def test_each_stored_neighbour_comes_with_the_first_request_or_apart(
    bar: BarLength, newest_first: bool, before: int, after: int
) -> None:
    unit = timedelta(days=1) if bar.dated else timedelta(hours=1)
    span = Span(day(2012), day(2012, 2, 1))
    older, newer = span.start - before * unit, span.end + after * unit
    sizer = ChunkSizer(bar, security_type=bars_pb2.SECURITY_TYPE_STOCK, use_rth=True)
    seams = Seams(times(older, newer), bar, sizer, newest_first=newest_first)
    apart = {found.start for found in seams.apart([span])}
    chunk, meets = seams.cut(span)
    assert chunk.ask.end is not None
    near, far = (newer, older) if newest_first else (older, newer)
    reach = Span(chunk.ask.end - chunk.ask.duration.surely_covers, chunk.ask.end)
    assert near in apart or (meets and reach.start <= near < reach.end)
    assert far in apart or reach.start <= far < reach.end
    assert seams.reaches(Span(older, older + bar.length), [span])


def test_a_load_that_is_not_complete_says_what_is_missing_in_bounds() -> None:
    failures = LoadFailures(3)
    assert not failures
    refused = ServiceError(ErrorReason.ERROR_REASON_GATEWAY_NO_PERMISSION, detail="IB says: No.")
    failures.instrument("IBM 1d", ["2012-01-03 … 2013-03-01"], refused)
    for number in range(9):
        failures.chunk("AAPL 1d", f"stretch {number}", "no answer")
    error = failures.error(40)
    assert error.message.startswith(
        "Some of the load failed; what did arrive is stored. 1 of 3 instruments failed and 9 of 40 chunks failed: "
        "IBM 1d 2012-01-03 … 2013-03-01: The account may not read this market data. IB says: No."
    )
    assert "AAPL 1d stretch 3: no answer; 5 more" in error.message
    assert error.parameters["failed_chunks"] == 9


def test_the_only_instrument_of_a_load_fails_with_its_own_reason() -> None:
    failures = LoadFailures(1)
    refused = ServiceError(ErrorReason.ERROR_REASON_GATEWAY_REFUSED, detail="No.")
    failures.instrument("IBM", (), refused)
    assert failures.error(0) is refused
    assert not concerns_everything(refused)
    assert concerns_everything(ServiceError(ErrorReason.ERROR_REASON_STORAGE_FULL, path="data", detail="full"))


def test_an_unspecified_mode_is_a_range() -> None:
    assert Wish.read(ib_pb2.DataLoadSpec()).mode == Mode.MODE_RANGE
