"""Chunks tile a span whatever the gateway answers, each request is legal, and sizes follow the answers."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.bar_sizes import BAR_LENGTHS, BarLength
from services.ib_host.planning.chunks import Chunk
from services.ib_host.planning.sizing import ChunkSizer
from services.ib_host.planning.span import Span
from services.ib_host.planning.steps import covering, ladder, longest_stretch
from services.ib_host.requests.failures import FailureKind

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
STOCK = bars_pb2.SECURITY_TYPE_STOCK
SHORT = timedelta(seconds=30)

sizes = st.sampled_from(list(BAR_LENGTHS))
kinds = st.sampled_from(
    [STOCK, bars_pb2.SECURITY_TYPE_FOREX, bars_pb2.SECURITY_TYPE_FUTURE, bars_pb2.SECURITY_TYPE_INDEX]
)
starts = st.integers(0, 35 * 365 * 86_400).map(
    lambda seconds: datetime(1990, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
outcomes = st.one_of(
    st.tuples(st.integers(0, 6000), st.sampled_from([0.1, 1.0, 3.0, 8.0, 40.0])),
    st.sampled_from([FailureKind.TIMEOUT, FailureKind.REFUSED, FailureKind.INVALID_STEP, FailureKind.PACING]),
)


@st.composite
def spans(draw: st.DrawFn) -> tuple[Span, BarLength]:
    bar = BAR_LENGTHS[draw(sizes)]
    start = draw(starts)
    longest = min(60 * longest_stretch(bar), 15 * 365 * DAY)
    return Span(start, start + draw(st.timedeltas(timedelta(seconds=1), longest))), bar


def _at(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def _sizer(size: bars_pb2.BarSize.ValueType, *, use_rth: bool = True) -> ChunkSizer:
    return ChunkSizer(BAR_LENGTHS[size], security_type=STOCK, use_rth=use_rth)


def _rest(span: Span, chunk: Chunk, *, newest_first: bool) -> Span:
    return Span(span.start, chunk.start) if newest_first else Span(chunk.end, span.end)


def _tile(
    sizer: ChunkSizer, span: Span, *, newest_first: bool = False, seconds: float = 0.5, bars: int = 0
) -> list[Chunk]:
    """Cut a span to the end, each chunk answered alike; ascending."""
    chunks = []
    while span.start < span.end:
        chunk = sizer.next_chunk(span, newest_first=newest_first)
        sizer.answered(chunk, bars=bars, seconds=seconds)
        chunks.append(chunk)
        span = _rest(span, chunk, newest_first=newest_first)
    return chunks[::-1] if newest_first else chunks


def _check_legal(chunk: Chunk, bar: BarLength) -> None:
    duration, rungs = chunk.ask.duration, ladder(bar)
    assert chunk.ask.end is not None
    assert chunk.ask.end - duration.surely_covers <= chunk.start < chunk.end <= chunk.ask.end
    assert duration.count >= 1
    allowed = {"S"} if bar.length <= SHORT else {"S", "D", "W"} if bar.length < HOUR else {"D", "W"}
    if bar.dated:
        allowed = {"D", "M", "Y"} if bar.length == DAY else {"M", "Y"}
    assert duration.unit in allowed
    most = {"S": 28_800, "D": 30 if bar.dated else 5, "W": 52, "M": 6, "Y": 30}
    assert duration.count <= most[duration.unit]
    assert duration.unit != "S" or duration.count >= 60
    assert duration.surely_covers <= rungs.rungs[-1].surely_covers
    if bar.length <= SHORT:
        assert duration.surely_covers <= longest_stretch(bar)
    if duration.unit == "S":  # the bar before the chunk, to compare it
        assert chunk.ask.end - duration.surely_covers <= chunk.start - bar.length
    if bar.length == 7 * DAY:
        assert chunk.ask.end.weekday() == 0
    elif bar.length > 7 * DAY:
        assert chunk.ask.end.day == 1
    elif not bar.dated and bar.length >= HOUR:
        assert chunk.ask.end - chunk.end == bar.length
    elif not bar.dated:
        assert (chunk.ask.end - _at(1970, 1, 1)) % bar.length == timedelta()
        assert chunk.ask.end - chunk.end < bar.length


@settings(deadline=None)
@given(spans(), kinds, st.booleans(), st.booleans(), st.lists(outcomes, max_size=60))
def test_any_answers_tile_the_span_with_legal_requests(
    wanted: tuple[Span, BarLength],
    security_type: bars_pb2.SecurityType.ValueType,
    use_rth: bool,
    newest_first: bool,
    told: list[tuple[int, float] | FailureKind],
) -> None:
    whole, bar = wanted
    sizer = ChunkSizer(bar, security_type=security_type, use_rth=use_rth)
    left, chunks, asked = whole, list[Chunk](), 0
    while left.start < left.end:
        chunk = sizer.next_chunk(left, newest_first=newest_first)
        _check_legal(chunk, bar)
        outcome = told[asked] if asked < len(told) else (0, 0.5)
        asked += 1
        if isinstance(outcome, FailureKind):
            if sizer.failed(chunk, outcome):
                smaller = sizer.next_chunk(left, newest_first=newest_first)
                assert smaller.ask.duration.surely_covers < chunk.ask.duration.surely_covers
                continue
        else:
            sizer.answered(chunk, bars=outcome[0], seconds=outcome[1])
        chunks.append(chunk)
        left = _rest(left, chunk, newest_first=newest_first)
    chunks = chunks[::-1] if newest_first else chunks
    assert all(before.end == after.start for before, after in pairwise(chunks))
    assert chunks[0].start <= whole.start
    assert chunks[-1].end >= whole.end
    if bar.dated:
        assert (chunks[0].start.date(), chunks[-1].end - whole.end < DAY) == (whole.start.date(), True)
    else:
        assert (chunks[0].start, chunks[-1].end) == whole


@settings(deadline=None)
@given(spans(), st.booleans(), st.booleans())
def test_hardly_more_requests_than_the_table_needs(
    wanted: tuple[Span, BarLength],
    newest_first: bool,
    quick: bool,
) -> None:
    span, bar = wanted
    sizer = ChunkSizer(bar, security_type=STOCK, use_rth=True)
    estimate = sizer.estimate([span])
    chunks = _tile(sizer, span, newest_first=newest_first, seconds=0.5 if quick else 4.0)
    # A day of each week or year goes to the clocks and the last bar; of a year only eleven whole months are left.
    optimum = (span.end - span.start) / longest_stretch(bar)
    assert len(chunks) <= 1.25 * optimum + 2
    if not quick:
        assert abs(len(chunks) - estimate) <= 1 + 0.1 * estimate


@settings(deadline=None)
@given(sizes, st.lists(st.tuples(st.integers(0, 4000), st.sampled_from([0.5, 30.0])), max_size=20))
def test_the_same_answers_make_the_same_chunks(
    size: bars_pb2.BarSize.ValueType, answers: list[tuple[int, float]]
) -> None:
    def cut() -> list[Chunk]:
        sizer, span, chunks = _sizer(size), Span(_at(1990, 1, 3), _at(2024, 1, 3)), []
        for bars, seconds in answers:
            chunks.append(sizer.next_chunk(span, newest_first=True))
            sizer.answered(chunks[-1], bars=bars, seconds=seconds)
            span = Span(span.start, chunks[-1].start)
            if span.start >= span.end:
                break
        return chunks

    assert cut() == cut()


@settings(deadline=None)
@given(sizes, kinds, st.booleans())
def test_no_answer_has_more_than_2500_bars_even_if_every_bar_is_there(
    size: bars_pb2.BarSize.ValueType,
    security_type: bars_pb2.SecurityType.ValueType,
    use_rth: bool,
) -> None:
    bar = BAR_LENGTHS[size]
    sizer = ChunkSizer(bar, security_type=security_type, use_rth=use_rth)
    hours = 6.5 if use_rth and security_type != bars_pb2.SECURITY_TYPE_FOREX else 24.0
    if hours == 24.0 and security_type in {STOCK, bars_pb2.SECURITY_TYPE_INDEX}:
        hours = 16.0
    in_a_session = (1.0 if bar.length == DAY else 1.4 * DAY / bar.length) if bar.dated else hours * HOUR / bar.length
    sessions = {"D": 1, "W": 5, "M": 22, "Y": 261}
    span = Span(_at(1990, 1, 1), _at(2024, 1, 1))
    for _ in range(60):
        chunk = sizer.next_chunk(span, newest_first=False)
        duration = chunk.ask.duration
        if duration.unit == "S":
            bars = round(duration.surely_covers / bar.length)
        else:
            bars = round(duration.count * sessions[duration.unit] * in_a_session)
        assert bars <= 2500
        sizer.answered(chunk, bars=bars, seconds=0.2)


def test_sizes_grow_while_answers_are_quick_up_to_2500_bars() -> None:
    chunks = _tile(_sizer(bars_pb2.BAR_SIZE_1_MINUTE), Span(_at(2023, 1, 1), _at(2024, 1, 1)), seconds=0.4)
    durations = [str(chunk.ask.duration) for chunk in chunks]
    assert durations[:10] == ["1 D", "1 D", "2 D", "2 D", "3 D", "3 D", "5 D", "5 D", "1 W", "1 W"]
    assert set(durations[10:-1]) == {"1 W"}
    assert len(chunks) < 70
    short = _tile(_sizer(bars_pb2.BAR_SIZE_5_SECONDS), Span(_at(2023, 1, 1), _at(2023, 1, 3)), seconds=0.4)
    assert {str(chunk.ask.duration) for chunk in short[:-1]} == {"3600 S"}


def test_a_market_with_longer_sessions_gets_smaller_requests() -> None:
    sizer, span = _sizer(bars_pb2.BAR_SIZE_1_MINUTE), Span(_at(2023, 1, 1), _at(2024, 1, 1))
    longest = set()
    while span.start < span.end:
        chunk = sizer.next_chunk(span, newest_first=False)
        sessions = chunk.ask.duration.count * (5 if chunk.ask.duration.unit == "W" else 1)
        sizer.answered(chunk, bars=510 * sessions, seconds=0.4)
        longest.add(str(chunk.ask.duration))
        span = Span(chunk.end, span.end)
    assert longest == {"1 D", "2 D", "3 D"}


def test_what_ib_slows_down_is_left_and_tried_again_ever_more_rarely() -> None:
    sizer, span = _sizer(bars_pb2.BAR_SIZE_1_MINUTE, use_rth=True), Span(_at(2020, 1, 1), _at(2024, 1, 1))
    slow = []
    for number in range(200):
        chunk = sizer.next_chunk(span, newest_first=False)
        big = chunk.ask.duration.surely_covers >= 5 * DAY
        slow += [number] if big else []
        sizer.answered(chunk, bars=390, seconds=8.0 if big else 2.0)
        span = Span(chunk.end, span.end)
    gaps = [after - before for before, after in pairwise(slow)]
    assert len(slow) <= 5
    assert gaps == sorted(gaps)
    assert gaps[0] >= 16


def test_slowness_alone_never_goes_below_the_table_and_silence_does() -> None:
    sizer, span = _sizer(bars_pb2.BAR_SIZE_1_MINUTE), Span(_at(2020, 1, 1), _at(2024, 1, 1))
    for _ in range(5):
        chunk = sizer.next_chunk(span, newest_first=False)
        assert str(chunk.ask.duration) == "1 D"
        sizer.answered(chunk, bars=390, seconds=50.0)
    durations = []
    for _ in range(4):
        chunk = sizer.next_chunk(span, newest_first=False)
        durations.append((str(chunk.ask.duration), sizer.failed(chunk, FailureKind.TIMEOUT)))
    assert durations == [("1 D", True), ("28800 S", True), ("14400 S", True), ("7200 S", False)]
    asked = [str(chunk.ask.duration) for chunk in _tile(sizer, Span(span.start, _at(2020, 2, 1)), seconds=3.0)]
    assert asked.index("14400 S") >= 16
    assert asked.index("1 D") < 30


def test_sizes_that_will_grow_back_do_not_multiply_what_is_left() -> None:
    sizer, span = _sizer(bars_pb2.BAR_SIZE_1_MINUTE), Span(_at(2020, 1, 1), _at(2021, 1, 1))
    before = sizer.estimate([span])
    for _ in range(3):
        assert sizer.failed(sizer.next_chunk(span, newest_first=False), FailureKind.TIMEOUT)
    after = sizer.estimate([span])
    assert before == 366
    assert 15 <= after - before <= 25
    assert abs(len(_tile(sizer, span, seconds=4.0)) - after) <= 3


def test_nothing_left_is_no_chunk() -> None:
    sizer, now = _sizer(bars_pb2.BAR_SIZE_1_DAY), _at(2020, 1, 1)
    assert sizer.estimate([]) == 0
    assert sizer.estimate([Span(now, now)]) == 0


def test_a_size_that_is_refused_beyond_the_table_is_never_asked_for_again() -> None:
    sizer, span = _sizer(bars_pb2.BAR_SIZE_1_DAY), Span(_at(1970, 1, 1), _at(2024, 1, 1))
    for _ in range(2):
        sizer.answered(sizer.next_chunk(span, newest_first=False), bars=250, seconds=0.4)
    big = sizer.next_chunk(span, newest_first=False)
    assert str(big.ask.duration) == "2 Y"
    assert sizer.failed(big, FailureKind.REFUSED)
    chunks = _tile(sizer, span)
    assert {str(chunk.ask.duration) for chunk in chunks[:-1]} == {"1 Y"}
    assert not sizer.failed(chunks[0], FailureKind.REFUSED)


def test_an_invalid_step_of_the_table_is_halved_once() -> None:
    sizer, span = _sizer(bars_pb2.BAR_SIZE_5_SECONDS), Span(_at(2024, 1, 2), _at(2024, 1, 3))
    chunk = sizer.next_chunk(span, newest_first=False)
    assert sizer.failed(chunk, FailureKind.INVALID_STEP)
    smaller = sizer.next_chunk(span, newest_first=False)
    assert (str(chunk.ask.duration), str(smaller.ask.duration)) == ("3600 S", "1800 S")
    assert not sizer.failed(smaller, FailureKind.INVALID_STEP)


def test_a_range_that_ends_within_a_bar_asks_for_all_of_it() -> None:
    span = Span(_at(2024, 1, 2, 14), _at(2024, 1, 2, 15, 30) + timedelta(seconds=20))
    chunk = _sizer(bars_pb2.BAR_SIZE_1_MINUTE).next_chunk(span, newest_first=True)
    assert (chunk.start, chunk.end) == span
    assert (chunk.ask.end, str(chunk.ask.duration)) == (_at(2024, 1, 2, 15, 31), "5520 S")


def test_the_date_of_an_instant_counts_for_daily_bars() -> None:
    span = Span(_at(2012, 5, 2, 15), _at(2012, 5, 4, 1))
    chunk = _sizer(bars_pb2.BAR_SIZE_1_DAY).next_chunk(span, newest_first=False)
    assert (chunk.start, chunk.end) == (_at(2012, 5, 2), _at(2012, 5, 5))


def test_a_week_in_which_the_clocks_go_forward_is_long_enough() -> None:
    bar = BAR_LENGTHS[bars_pb2.BAR_SIZE_5_MINUTES]
    assert str(covering(6 * DAY, bar)) == "1 W"
    assert str(covering(7 * DAY, bar)) == "2 W"


@settings(deadline=None)
@given(sizes, st.timedeltas(timedelta(seconds=1), 4000 * DAY))
def test_durations_are_rounded_up(size: bars_pb2.BarSize.ValueType, stretch: timedelta) -> None:
    assert covering(stretch, BAR_LENGTHS[size]).surely_covers >= stretch


@pytest.mark.parametrize(
    ("stretch", "words"),
    [(DAY, "1 D"), (30 * DAY, "30 D"), (31 * DAY, "2 M"), (160 * DAY, "6 M"), (365 * DAY, "1 Y"), (366 * DAY, "2 Y")],
)
def test_words_for_daily_bars(stretch: timedelta, words: str) -> None:
    assert str(covering(stretch, BAR_LENGTHS[bars_pb2.BAR_SIZE_1_DAY])) == words


@pytest.mark.parametrize(
    ("size", "safe"),
    [
        (bars_pb2.BAR_SIZE_1_SECOND, "1800 S"),
        (bars_pb2.BAR_SIZE_5_SECONDS, "3600 S"),
        (bars_pb2.BAR_SIZE_10_SECONDS, "14400 S"),
        (bars_pb2.BAR_SIZE_15_SECONDS, "14400 S"),
        (bars_pb2.BAR_SIZE_30_SECONDS, "28800 S"),
        (bars_pb2.BAR_SIZE_1_MINUTE, "1 D"),
        (bars_pb2.BAR_SIZE_2_MINUTES, "2 D"),
        (bars_pb2.BAR_SIZE_3_MINUTES, "1 W"),
        (bars_pb2.BAR_SIZE_20_MINUTES, "1 W"),
        (bars_pb2.BAR_SIZE_30_MINUTES, "4 W"),
        (bars_pb2.BAR_SIZE_8_HOURS, "4 W"),
        (bars_pb2.BAR_SIZE_1_DAY, "1 Y"),
        (bars_pb2.BAR_SIZE_1_WEEK, "1 Y"),
        (bars_pb2.BAR_SIZE_1_MONTH, "1 Y"),
    ],
)
def test_sizes_begin_at_the_largest_step_of_the_table(size: bars_pb2.BarSize.ValueType, safe: str) -> None:
    rungs = ladder(BAR_LENGTHS[size])
    assert str(rungs.rungs[rungs.safe]) == safe
    covers = [rung.surely_covers for rung in rungs.rungs]
    assert covers == sorted(set(covers))
    assert covers[rungs.safe] <= longest_stretch(BAR_LENGTHS[size])


def test_every_bar_size_of_the_contract_is_known() -> None:
    values = set(bars_pb2.BarSize.values()) - {bars_pb2.BAR_SIZE_UNSPECIFIED}
    assert set(BAR_LENGTHS) == values
    assert [bar.length for bar in BAR_LENGTHS.values()] == sorted(bar.length for bar in BAR_LENGTHS.values())
