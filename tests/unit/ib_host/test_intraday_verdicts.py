"""Verdicts about bars of less than a day: minutes without a trade are no gaps, and every real gap is found."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.ledger.records import SpanOutcome
from tests.support.checked_datasets import CheckedDataset, bars_at, key_of, minutes, span_times

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOT_LOADED = bars_pb2.MissingSpan.REASON_NOT_LOADED
LEFT_OUT = bars_pb2.MissingSpan.REASON_LEFT_OUT
# Before Thanksgiving, the half day after it, the Monday; and the week in which summer time begins.
START, END = datetime(2012, 11, 21, tzinfo=UTC), datetime(2012, 11, 27, tzinfo=UTC)
SESSIONS = [
    (datetime(2012, 11, 21, 14, 30, tzinfo=UTC), datetime(2012, 11, 21, 21, tzinfo=UTC)),
    (datetime(2012, 11, 23, 14, 30, tzinfo=UTC), datetime(2012, 11, 23, 18, tzinfo=UTC)),
    (datetime(2012, 11, 26, 14, 30, tzinfo=UTC), datetime(2012, 11, 26, 21, tzinfo=UTC)),
]
ALL = [time for session in SESSIONS for time in minutes(*session)]


def minute_bars(home: Path, times: Iterable[datetime], *, use_rth: bool = True) -> CheckedDataset:
    return CheckedDataset(home, key_of("AAPL", bars_pb2.BAR_SIZE_1_MINUTE, use_rth=use_rth), bars_at(sorted(times)))


def test_holidays_and_half_days_are_known(tmp_path: Path) -> None:
    dataset = minute_bars(tmp_path, ALL)
    dataset.asked(START, END)
    verdict = dataset.verdict(START, END)
    assert (verdict.expected_bars, verdict.stored_bars) == (390 + 210 + 390, 990)
    assert (verdict.missing_bars, verdict.unexpected_bars, verdict.complete) == (0, 0, True)


def test_summer_time_moves_the_sessions(tmp_path: Path) -> None:
    friday, monday = datetime(2013, 3, 8, 14, 30, tzinfo=UTC), datetime(2013, 3, 11, 13, 30, tzinfo=UTC)
    times = minutes(friday, friday + 390 * MINUTE) + minutes(monday, monday + 390 * MINUTE)
    verdict = minute_bars(tmp_path, times).verdict(datetime(2013, 3, 8, tzinfo=UTC), datetime(2013, 3, 12, tzinfo=UTC))
    assert (verdict.expected_bars, verdict.missing_bars, verdict.unexpected_bars) == (780, 0, 0)


def test_minutes_without_a_trade_are_told_but_no_gap(tmp_path: Path) -> None:
    dataset = minute_bars(tmp_path, ALL[::3] + ALL[:2])
    dataset.asked(START, END)
    verdict = dataset.verdict(START, END)
    assert {span.reason for span in verdict.missing} == {LEFT_OUT}
    assert verdict.missing_bars == 990 - 331
    assert verdict.complete


def test_a_session_that_was_left_out_is_a_gap(tmp_path: Path) -> None:
    dataset = minute_bars(tmp_path, [time for time in ALL if time.day != 23])
    dataset.asked(START, END)
    verdict = dataset.verdict(START, END)
    [span] = verdict.missing
    assert span_times(span) == (*SESSIONS[1], 210)
    assert span.text.startswith("the gateway's answer has none")
    assert not verdict.complete


@pytest.mark.parametrize(("left_out", "complete"), [(59, True), (60, False)])
def test_an_hour_that_was_left_out_is_a_gap_where_hardly_a_minute_is_missing(
    tmp_path: Path, left_out: int, complete: bool
) -> None:
    dataset = minute_bars(tmp_path, ALL[:100] + ALL[100 + left_out :])
    dataset.asked(START, END)
    verdict = dataset.verdict(START, END)
    assert [span_times(span)[2] for span in verdict.missing] == [left_out]
    assert verdict.complete is complete


def test_what_was_not_loaded_is_a_gap_however_short(tmp_path: Path) -> None:
    dataset = minute_bars(tmp_path, ALL[:100] + ALL[102:])
    dataset.asked(START, ALL[101])
    dataset.asked(ALL[102], END)
    verdict = dataset.verdict(START, END)
    assert [(*span_times(span), span.reason) for span in verdict.missing] == [
        (ALL[100], ALL[101], 1, LEFT_OUT),
        (ALL[101], ALL[102], 1, NOT_LOADED),
    ]
    assert not verdict.complete


@settings(max_examples=10, deadline=None)
@given(st.sets(st.integers(0, 989), min_size=1, max_size=300))
def test_exactly_the_gaps_that_were_made_are_found(tmp_path_factory: pytest.TempPathFactory, gone: set[int]) -> None:
    kept = [time for place, time in enumerate(ALL) if place not in gone]
    dataset = minute_bars(tmp_path_factory.mktemp("home"), kept)
    verdict = dataset.verdict(START, END)
    assert verdict.missing_bars == len(gone)
    found = {
        place
        for span in verdict.missing
        for place, time in enumerate(ALL)
        if span_times(span)[0] <= time < span_times(span)[1]
    }
    assert found == gone
    assert verdict.missing_spans == sum(place - 1 not in gone for place in gone)


def test_bars_of_extended_hours_may_be_there_or_not(tmp_path: Path) -> None:
    early = minutes(datetime(2012, 11, 21, 9, tzinfo=UTC), datetime(2012, 11, 21, 14, 30, tzinfo=UTC), 7 * MINUTE)
    late = [datetime(2012, 11, 22, 0, 59, tzinfo=UTC)]
    night = [datetime(2012, 11, 22, 1, 0, tzinfo=UTC), datetime(2012, 11, 22, 15, 0, tzinfo=UTC)]
    verdict = minute_bars(tmp_path, [*early, *ALL, *late, *night], use_rth=False).verdict(START, END)
    assert (verdict.expected_bars, verdict.missing_bars, verdict.unexpected_bars) == (990, 0, 2)


def test_in_regular_hours_they_are_unexpected(tmp_path: Path) -> None:
    early = datetime(2012, 11, 21, 14, 29, tzinfo=UTC)
    off_the_grid = datetime(2012, 11, 21, 14, 30, 30, tzinfo=UTC)
    verdict = minute_bars(tmp_path, [early, off_the_grid, *ALL]).verdict(START, END)
    assert (verdict.missing_bars, verdict.unexpected_bars) == (0, 2)


def test_the_first_bar_of_an_hour_begins_with_the_session(tmp_path: Path) -> None:
    times = [
        time
        for start, end in SESSIONS
        for time in [start, *minutes(start + 30 * MINUTE, end, HOUR)]
    ]  # fmt: skip
    dataset = CheckedDataset(tmp_path, key_of(bar_size=bars_pb2.BAR_SIZE_1_HOUR), bars_at(times))
    verdict = dataset.verdict(START, END)
    assert (verdict.expected_bars, verdict.missing_bars, verdict.unexpected_bars) == (7 + 4 + 7, 0, 0)


@pytest.mark.parametrize(
    "first",
    [
        [14.5, 17.0],  # from midnight in New York, the first bar short: 9:30, 12:00
        [14.5, 16.0, 20.0],  # from midnight UTC
        [14.5, 18.5],  # from the opening
        [13.0, 17.0],  # from midnight in New York, the first bar begun before the session
    ],
)
def test_bars_of_hours_are_expected_as_they_are_cut(tmp_path: Path, first: list[float]) -> None:
    days = [datetime(2012, 11, day, tzinfo=UTC) for day in (19, 20, 21, 26)]
    times = [day + hour * HOUR for day in days for hour in first]
    del times[-1]
    key = key_of(bar_size=bars_pb2.BAR_SIZE_4_HOURS, use_rth=False)
    verdict = CheckedDataset(tmp_path, key, bars_at(times)).verdict(days[0], days[-1] + DAY)
    # One bar was taken away, and the half day has one or two.
    assert verdict.unexpected_bars == 0
    missing = {span.start_time.ToDatetime(UTC).day: span.bars for span in verdict.missing}
    assert set(missing) <= {23, 26}
    assert days[-1] + first[-1] * HOUR in [
        time
        for span in verdict.missing
        for time in minutes(span.start_time.ToDatetime(UTC), span.end_time.ToDatetime(UTC), 30 * MINUTE)
    ]


def test_a_break_at_noon_is_no_gap(tmp_path: Path) -> None:
    day = datetime(2012, 11, 21, tzinfo=UTC)
    times = minutes(day + 1.5 * HOUR, day + 4 * HOUR) + minutes(day + 5 * HOUR, day + 8 * HOUR)
    key = key_of("700", bars_pb2.BAR_SIZE_1_MINUTE, primary_exchange="SEHK", currency="HKD")
    verdict = CheckedDataset(tmp_path, key, bars_at(times)).verdict(day, day + DAY)
    assert (verdict.expected_bars, verdict.missing_bars, verdict.unexpected_bars) == (330, 0, 0)


def test_currencies_trade_from_sunday_to_friday_with_a_break_each_day(tmp_path: Path) -> None:
    sunday = datetime(2012, 11, 25, 22, 15, tzinfo=UTC)  # 17:15 in New York
    times = [
        time
        for day in range(5)
        for time in minutes(sunday + day * DAY, sunday + (day + 1) * DAY - 15 * MINUTE, 5 * MINUTE)
    ]
    key = key_of(
        "EUR",
        bars_pb2.BAR_SIZE_5_MINUTES,
        security_type=bars_pb2.SECURITY_TYPE_FOREX,
        exchange="IDEALPRO",
        primary_exchange="",
        what=bars_pb2.WHAT_TO_SHOW_MIDPOINT,
    )
    dataset = CheckedDataset(tmp_path, key, bars_at(times))
    dataset.asked(sunday - DAY, sunday + 8 * DAY)
    verdict = dataset.verdict(sunday - DAY, sunday + 5 * DAY)
    assert verdict.calendar == "usual hours of currencies"
    assert (verdict.expected_bars, verdict.missing_bars, verdict.unexpected_bars) == (5 * 285, 0, 0)
    # A day without bars may have been a holiday, which these hours do not know.
    verdict = dataset.verdict(sunday - DAY, sunday + 8 * DAY)
    assert (verdict.missing_bars, verdict.complete) == (285, True)


def test_the_minutes_of_a_session_that_goes_on_are_expected_as_they_pass(tmp_path: Path) -> None:
    dataset = minute_bars(tmp_path, ALL[:100])
    now = ALL[119] + 30 * timedelta(seconds=1)
    verdict = dataset.verdict(START, END, now=now)
    assert (verdict.expected_bars, verdict.missing_bars) == (119, 19)


def test_bars_of_a_second_are_compared_in_pieces(tmp_path: Path) -> None:
    second = timedelta(seconds=1)
    start, end = datetime(2012, 11, 5, 3, tzinfo=UTC), datetime(2012, 11, 17, tzinfo=UTC)
    last = start + 1_000_000 * second  # where a million seconds end, in the middle of the session of the sixteenth
    session = datetime(2012, 11, 16, 14, 30, tzinfo=UTC)
    kept = [*minutes(session, last - 30 * second, second), *minutes(last + 30 * second, session + 6.5 * HOUR, second)]
    dataset = CheckedDataset(tmp_path, key_of(bar_size=bars_pb2.BAR_SIZE_1_SECOND), bars_at(kept))
    verdict = dataset.verdict(start, end)
    assert verdict.expected_bars == 10 * 23_400
    assert [span_times(span) for span in verdict.missing] == [
        (datetime(2012, 11, 5, 14, 30, tzinfo=UTC), datetime(2012, 11, 15, 21, tzinfo=UTC), 9 * 23_400),
        (last - 30 * second, last + 30 * second, 60),
    ]


def test_a_bar_that_begins_before_its_session_is_found_where_two_pieces_meet(tmp_path: Path) -> None:
    # Pieces of bars of an hour are 731 days long: the first one ends between the bar's begin and the opening.
    monday = datetime(2012, 11, 19, tzinfo=UTC)
    start = monday + 14.25 * HOUR - timedelta(days=731)
    day_of = [monday - 3 * DAY, monday]
    times = [day + hour * HOUR for day in day_of for hour in range(14, 21)]
    dataset = CheckedDataset(tmp_path, key_of(bar_size=bars_pb2.BAR_SIZE_1_HOUR, use_rth=False), bars_at(times))
    dataset.asked(start, day_of[0], SpanOutcome.EMPTY)
    verdict = dataset.verdict(start, monday + DAY)
    assert verdict.unexpected_bars == 0
    assert [span_times(span)[1] for span in verdict.missing] == [monday - 4 * DAY + 21 * HOUR]
    assert verdict.expected_bars - verdict.missing_bars == len(times)


def test_a_gateway_that_has_nothing_is_not_asked_again(tmp_path: Path) -> None:
    dataset = minute_bars(tmp_path, ALL[390:])
    dataset.asked(START, SESSIONS[0][1], SpanOutcome.EMPTY, "no data")
    dataset.asked(SESSIONS[0][1], END)
    verdict = dataset.verdict(START, END)
    assert (verdict.missing_bars, verdict.complete) == (390, True)


def test_bars_of_hours_follow_clocks_that_change_the_night_before(tmp_path: Path) -> None:
    sunday = datetime(2024, 3, 10, tzinfo=UTC)  # clocks in New York go forward; the session begins at 17:15 there
    times = [sunday + hours * HOUR for hours in (21.25, 28.0, 36.0, 44.0)]
    key = key_of(
        "EUR",
        bars_pb2.BAR_SIZE_8_HOURS,
        security_type=bars_pb2.SECURITY_TYPE_FOREX,
        exchange="IDEALPRO",
        primary_exchange="",
        what=bars_pb2.WHAT_TO_SHOW_MIDPOINT,
    )
    dataset = CheckedDataset(tmp_path, key, bars_at(times))
    dataset.asked(sunday, sunday + 2 * DAY)
    verdict = dataset.verdict(sunday, sunday + 1.875 * DAY)
    assert (verdict.expected_bars, verdict.missing_bars, verdict.unexpected_bars) == (4, 0, 0)
