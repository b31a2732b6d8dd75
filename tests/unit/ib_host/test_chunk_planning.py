"""What an answer may have left out is asked for again, and no request cuts a bar off."""

from datetime import UTC, datetime, timedelta

import pytest
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.bar_sizes import BAR_LENGTHS
from services.ib_host.planning.chunks import Chunk, ask_for, grid_end, period_start
from services.ib_host.planning.coverage import ask_again, usual_pause
from services.ib_host.planning.sizing import ChunkSizer
from services.ib_host.planning.span import Span

DAY = timedelta(days=1)
STOCK = bars_pb2.SECURITY_TYPE_STOCK
DAILY = BAR_LENGTHS[bars_pb2.BAR_SIZE_1_DAY]
WEEKLY = BAR_LENGTHS[bars_pb2.BAR_SIZE_1_WEEK]
MONTHLY = BAR_LENGTHS[bars_pb2.BAR_SIZE_1_MONTH]
HOURLY = BAR_LENGTHS[bars_pb2.BAR_SIZE_1_HOUR]


def _midnight(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


def _chunk(size: bars_pb2.BarSize.ValueType, start: datetime, end: datetime) -> Chunk:
    sizer = ChunkSizer(BAR_LENGTHS[size], security_type=STOCK, use_rth=True)
    return sizer.next_chunk(Span(start, end), newest_first=False)


@pytest.mark.parametrize(
    ("size", "ends", "words"),
    [
        (bars_pb2.BAR_SIZE_1_MINUTE, timedelta(), "1 D"),
        (bars_pb2.BAR_SIZE_1_HOUR, timedelta(hours=1), "2 D"),
        (bars_pb2.BAR_SIZE_8_HOURS, timedelta(hours=8), "2 D"),
        (bars_pb2.BAR_SIZE_1_DAY, timedelta(hours=6), "2 D"),
    ],
)
def test_a_request_ends_after_the_last_bar_has_begun(
    size: bars_pb2.BarSize.ValueType, ends: timedelta, words: str
) -> None:
    ask = ask_for(_midnight(2024, 1, 3), _midnight(2024, 1, 4), BAR_LENGTHS[size])
    assert (ask.end, str(ask.duration)) == (_midnight(2024, 1, 4) + ends, words)


def test_bars_begin_on_a_grid_and_longer_ones_with_their_period() -> None:
    bar = BAR_LENGTHS[bars_pb2.BAR_SIZE_5_MINUTES]
    noon = _midnight(2024, 1, 3) + DAY / 2
    assert [grid_end(noon + timedelta(seconds=s), bar) - noon for s in (0, 1, 300)] == [
        timedelta(), timedelta(minutes=5), timedelta(minutes=5)
    ]  # fmt: skip
    assert period_start(noon, DAILY) == _midnight(2024, 1, 3)
    assert period_start(noon, WEEKLY) == _midnight(2024, 1, 1)
    assert period_start(_midnight(2024, 2, 29), MONTHLY) == _midnight(2024, 2, 1)
    assert period_start(noon, HOURLY) == noon


def test_what_an_answer_left_out_is_asked_for_again() -> None:
    chunk = _chunk(bars_pb2.BAR_SIZE_1_DAY, _midnight(2012, 1, 1), _midnight(2012, 12, 1))
    pause = usual_pause(DAILY, bars_pb2.SECURITY_TYPE_STOCK)
    assert ask_again(chunk, _midnight(2011, 12, 30), DAILY, pause) is None
    assert ask_again(chunk, _midnight(2012, 1, 3), DAILY, pause) is None
    ask = ask_again(chunk, _midnight(2012, 3, 1), DAILY, pause)
    assert ask is not None
    assert ask.end is not None
    assert ask.end - ask.duration.surely_covers <= chunk.start
    assert ask.end >= _midnight(2012, 3, 1)


def test_a_missing_head_never_cuts_a_month() -> None:
    chunk = _chunk(bars_pb2.BAR_SIZE_1_MONTH, _midnight(2012, 1, 10), _midnight(2012, 11, 15))
    ask = ask_again(chunk, _midnight(2012, 5, 31), MONTHLY, usual_pause(MONTHLY, bars_pb2.SECURITY_TYPE_STOCK))
    assert ask is not None
    assert ask.end is not None
    assert ask.end.date() == _midnight(2012, 5, 1).date()


def test_markets_around_the_clock_pause_only_for_hours() -> None:
    assert usual_pause(HOURLY, bars_pb2.SECURITY_TYPE_FOREX) < usual_pause(HOURLY, bars_pb2.SECURITY_TYPE_STOCK)
    assert usual_pause(WEEKLY, bars_pb2.SECURITY_TYPE_FOREX) >= 7 * DAY
