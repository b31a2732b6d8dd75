"""Plans tile the range, and each request surely covers its chunk within IB's limits."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.bar_sizes import BAR_LENGTHS, BarLength
from services.ib_host.planning.chunks import Chunk, plan_chunks
from services.ib_host.planning.coverage import ask_again, usual_pause
from services.ib_host.planning.steps import covering, longest_stretch

DAY = timedelta(days=1)
DAILY = BAR_LENGTHS[bars_pb2.BAR_SIZE_1_DAY]
WEEKLY = BAR_LENGTHS[bars_pb2.BAR_SIZE_1_WEEK]
MONTHLY = BAR_LENGTHS[bars_pb2.BAR_SIZE_1_MONTH]
MINUTES = BAR_LENGTHS[bars_pb2.BAR_SIZE_1_MINUTE]
HOURLY = BAR_LENGTHS[bars_pb2.BAR_SIZE_1_HOUR]

lengths = st.sampled_from(list(BAR_LENGTHS.values()))
starts = st.integers(0, 35 * 365 * 86_400).map(
    lambda seconds: datetime(1990, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


@st.composite
def ranges(draw: st.DrawFn) -> tuple[datetime, datetime, BarLength]:
    bar = draw(lengths)
    longest = min(60 * longest_stretch(bar), 15 * 365 * DAY)
    start = draw(starts)
    return start, start + draw(st.timedeltas(timedelta(seconds=1), longest)), bar


def _midnight(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


def _asked_from(chunk: Chunk) -> datetime:
    return chunk.ask.end - chunk.ask.duration.surely_covers


@given(ranges())
def test_chunks_tile_the_range(wanted: tuple[datetime, datetime, BarLength]) -> None:
    start, end, bar = wanted
    chunks = plan_chunks(start, end, bar)
    assert all(before.end == after.start for before, after in pairwise(chunks))
    assert all(chunk.start < chunk.end for chunk in chunks)
    assert chunks[0].start <= start
    assert chunks[-1].end >= end
    if bar.dated:
        assert chunks[0].start.date() == start.date()
        assert chunks[-1].end - end < DAY
    else:
        assert (chunks[0].start, chunks[-1].end) == (start, end)


@given(ranges())
def test_each_request_surely_covers_its_chunk_and_stays_within_the_step_table(
    wanted: tuple[datetime, datetime, BarLength],
) -> None:
    start, end, bar = wanted
    for chunk in plan_chunks(start, end, bar):
        assert _asked_from(chunk) <= chunk.start
        assert chunk.ask.end >= chunk.end
        assert chunk.ask.duration.surely_covers <= max(longest_stretch(bar), timedelta(seconds=60))
        assert chunk.ask.duration.unit != "D" or chunk.ask.duration.count <= 365


@given(ranges())
def test_the_same_range_is_cut_into_the_same_chunks_with_distinct_keys(
    wanted: tuple[datetime, datetime, BarLength],
) -> None:
    chunks = plan_chunks(*wanted)
    assert [chunk.key for chunk in chunks] == [chunk.key for chunk in plan_chunks(*wanted)]
    assert len({chunk.key for chunk in chunks}) == len(chunks)


@given(ranges())
def test_whole_bars_only(wanted: tuple[datetime, datetime, BarLength]) -> None:
    start, end, bar = wanted
    for chunk in plan_chunks(start, end, bar):
        if bar.length == 7 * DAY:
            assert chunk.ask.end.weekday() == 0
        elif bar.length > 7 * DAY:
            assert chunk.ask.end.day == 1
        elif not bar.dated and bar.length >= timedelta(hours=1):
            assert chunk.ask.end - chunk.end == bar.length


@given(lengths, st.timedeltas(timedelta(seconds=1), 4000 * DAY))
def test_durations_are_rounded_up(bar: BarLength, stretch: timedelta) -> None:
    assert covering(stretch, bar).surely_covers >= stretch


@pytest.mark.parametrize(
    ("stretch", "words"),
    [(DAY, "1 D"), (30 * DAY, "30 D"), (31 * DAY, "2 M"), (365 * DAY, "1 Y"), (366 * DAY, "2 Y"), (700 * DAY, "2 Y")],
)
def test_words_for_daily_bars(stretch: timedelta, words: str) -> None:
    assert str(covering(stretch, DAILY)) == words


@pytest.mark.parametrize(
    ("size", "longest"),
    [
        (bars_pb2.BAR_SIZE_1_SECOND, timedelta(seconds=1800)),
        (bars_pb2.BAR_SIZE_5_SECONDS, timedelta(seconds=3600)),
        (bars_pb2.BAR_SIZE_10_SECONDS, timedelta(seconds=14_400)),
        (bars_pb2.BAR_SIZE_15_SECONDS, timedelta(seconds=14_400)),
        (bars_pb2.BAR_SIZE_30_SECONDS, timedelta(seconds=28_800)),
        (bars_pb2.BAR_SIZE_1_MINUTE, DAY),
        (bars_pb2.BAR_SIZE_2_MINUTES, 2 * DAY),
        (bars_pb2.BAR_SIZE_3_MINUTES, 7 * DAY),
        (bars_pb2.BAR_SIZE_20_MINUTES, 7 * DAY),
        (bars_pb2.BAR_SIZE_30_MINUTES, 28 * DAY),
        (bars_pb2.BAR_SIZE_8_HOURS, 28 * DAY),
        (bars_pb2.BAR_SIZE_1_DAY, 365 * DAY),
        (bars_pb2.BAR_SIZE_1_MONTH, 365 * DAY),
    ],
)
def test_step_table(size: bars_pb2.BarSize.ValueType, longest: timedelta) -> None:
    assert longest_stretch(BAR_LENGTHS[size]) == longest


def test_thirteen_years_of_daily_bars_are_fourteen_requests() -> None:
    chunks = plan_chunks(_midnight(2000, 3, 1), _midnight(2013, 3, 2), DAILY)
    assert len(chunks) == 14
    assert {str(chunk.ask.duration) for chunk in chunks[:-1]} == {"1 Y"}


def test_the_date_of_an_instant_counts_for_daily_bars() -> None:
    chunks = plan_chunks(_midnight(2012, 5, 2) + 15 * DAY / 24, _midnight(2012, 5, 4) + DAY / 24, DAILY)
    assert [(chunk.start, chunk.end) for chunk in chunks] == [(_midnight(2012, 5, 2), _midnight(2012, 5, 5))]


def test_a_week_in_which_the_clocks_go_forward_is_long_enough() -> None:
    bar = BAR_LENGTHS[bars_pb2.BAR_SIZE_5_MINUTES]
    assert str(covering(6 * DAY, bar)) == "1 W"
    assert str(covering(7 * DAY, bar)) == "2 W"
    chunks = plan_chunks(_midnight(2024, 3, 1), _midnight(2024, 4, 1), bar)
    assert {str(chunk.ask.duration) for chunk in chunks[1:-1]} == {"1 W"}


def test_nothing_to_do_for_an_empty_range() -> None:
    assert plan_chunks(_midnight(2012, 5, 2), _midnight(2012, 5, 2), MINUTES) == []


def test_every_bar_size_of_the_contract_is_known() -> None:
    values = set(bars_pb2.BarSize.values()) - {bars_pb2.BAR_SIZE_UNSPECIFIED}
    assert set(BAR_LENGTHS) == values
    assert [bar.length for bar in BAR_LENGTHS.values()] == sorted(bar.length for bar in BAR_LENGTHS.values())


def test_what_an_answer_left_out_is_asked_for_again() -> None:
    chunk = plan_chunks(_midnight(2012, 1, 1), _midnight(2012, 12, 1), DAILY)[0]
    pause = usual_pause(DAILY, bars_pb2.SECURITY_TYPE_STOCK)
    assert ask_again(chunk, _midnight(2011, 12, 30), DAILY, pause) is None
    assert ask_again(chunk, _midnight(2012, 1, 3), DAILY, pause) is None
    ask = ask_again(chunk, _midnight(2012, 3, 1), DAILY, pause)
    assert ask is not None
    assert ask.end - ask.duration.surely_covers <= chunk.start
    assert ask.end >= _midnight(2012, 3, 1)


def test_a_missing_head_never_cuts_a_month() -> None:
    chunk = plan_chunks(_midnight(2012, 1, 10), _midnight(2012, 11, 15), MONTHLY)[0]
    ask = ask_again(chunk, _midnight(2012, 5, 31), MONTHLY, usual_pause(MONTHLY, bars_pb2.SECURITY_TYPE_STOCK))
    assert ask is not None
    assert ask.end.date() == _midnight(2012, 5, 1).date()


def test_markets_around_the_clock_pause_only_for_hours() -> None:
    assert usual_pause(HOURLY, bars_pb2.SECURITY_TYPE_FOREX) < usual_pause(HOURLY, bars_pb2.SECURITY_TYPE_STOCK)
    assert usual_pause(WEEKLY, bars_pb2.SECURITY_TYPE_FOREX) >= 7 * DAY
