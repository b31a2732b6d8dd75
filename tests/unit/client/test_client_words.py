"""What people write and what they are shown: bar sizes, times, durations, numbers, tables, curves."""

import math
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.ib.v1.bars_pb2 import BAR_SIZE_1_MONTH, BAR_SIZE_5_MINUTES, BAR_SIZE_30_SECONDS, BarSize
from ktrdr_client.backoff import Backoff
from ktrdr_client.bar_sizes import bar_size_name, is_daily_or_longer, parse_bar_size
from ktrdr_client.cli.failures import error_text_lines
from ktrdr_client.cli.invocation import UsageProblem
from ktrdr_client.cli.live import sparkline
from ktrdr_client.cli.pairs import parse_pairs
from ktrdr_client.cli.tables import Column, table_lines
from ktrdr_client.cli.words import number, percent, strategy_name
from ktrdr_client.errors import FieldFault, InvalidArgument
from ktrdr_client.specs import data_load_spec, end_timestamp, start_timestamp, training_spec
from ktrdr_client.states import parse_security_type, parse_source, parse_what_to_show
from ktrdr_client.times import duration_text, parse_duration, range_end, range_start


def test_every_bar_size_has_a_name_that_is_understood() -> None:
    for size in BarSize.values():
        if size:
            assert parse_bar_size(bar_size_name(size)) == size


@pytest.mark.parametrize(
    ("text", "size"), [("5 mins", BAR_SIZE_5_MINUTES), ("30S", BAR_SIZE_30_SECONDS), ("1 Month", BAR_SIZE_1_MONTH)]
)
def test_bar_sizes_can_be_written_in_ib_words(text: str, size: "BarSize.ValueType") -> None:
    assert parse_bar_size(text) == size


@pytest.mark.parametrize("text", ["1x", "7min", "0d", "", "d", "2d", "-1d"])
def test_a_bar_size_that_ib_has_not_lists_those_that_it_has(text: str) -> None:
    with pytest.raises(ValueError, match="choose from 1s 5s"):
        parse_bar_size(text)


def test_days_weeks_and_months_are_dates() -> None:
    assert [bar_size_name(size) for size in BarSize.values() if size and is_daily_or_longer(size)] == [
        "1d",
        "1w",
        "1month",
    ]


def test_a_range_of_days_includes_its_last_day() -> None:
    assert range_start("2000-03-01") == datetime(2000, 3, 1, tzinfo=UTC)
    assert range_end("2013-03-01") == datetime(2013, 3, 2, tzinfo=UTC)
    assert range_end("20130301") == datetime(2013, 3, 2, tzinfo=UTC)


def test_a_time_is_utc_unless_it_says_otherwise() -> None:
    assert range_end("2013-03-01T14:30") == datetime(2013, 3, 1, 14, 30, tzinfo=UTC)
    assert range_start("2013-03-01T14:30+02:00") == datetime(2013, 3, 1, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["yesterday", "2013-02-30", "2013-3-1", "", "9999-12-31"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no date or time"):
        range_end(text)


def test_specs_take_dates_datetimes_and_texts() -> None:
    midnight = datetime(2013, 3, 1, tzinfo=timezone(timedelta(hours=-5)))
    assert start_timestamp(date(2000, 3, 1)).ToJsonString() == "2000-03-01T00:00:00Z"
    assert end_timestamp(date(2013, 3, 1)).ToJsonString() == "2013-03-02T00:00:00Z"
    assert end_timestamp(midnight).ToJsonString() == "2013-03-01T05:00:00Z"
    with pytest.raises(ValueError, match="no time zone"):
        start_timestamp(datetime(2000, 3, 1))  # noqa: DTZ001 - that is the point
    with pytest.raises(ValueError, match="no date"):
        data_load_spec("AAPL", "1d", start="soon", end="2013-03-01")


def test_a_training_takes_bars_from_one_place() -> None:
    assert training_spec("name: x").WhichOneof("bars") is None
    with pytest.raises(ValueError, match="not from both"):
        training_spec("name: x", bars_path="/x.csv", source="ib")


def test_words_of_the_contract_are_checked() -> None:
    for parse, text in ((parse_source, "tape"), (parse_what_to_show, "mid"), (parse_security_type, "bond")):
        with pytest.raises(ValueError, match="choose from"):
            parse(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("1.5h", 5400), ("250ms", 0.25), ("2d", 172800)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5s", "5 parsecs", "1h-3m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.02, "20 ms"),
        (0.0996, "0.1 s"),
        (4.23, "4.2 s"),
        (9.99, "10 s"),
        (59.7, "1 min 00 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 05 min"),
        (90000, "1 d 01 h"),
    ],
)
def test_durations_are_told_in_two_units(seconds: float, text: str) -> None:
    assert duration_text(timedelta(seconds=seconds)) == text


def test_numbers_have_the_digits_that_matter() -> None:
    assert [number(value) for value in (0.92314, 3270.0, 1.2e-5, 2222.25, math.nan, math.inf, 0.0)] == [
        "0.9231", "3,270", "1.2e-05", "2,222.2", "nan", "inf", "0",
    ]  # fmt: skip
    assert percent(0.4712, 1) == "47.1 %"
    assert percent(math.nan) == "n/a"


def test_the_name_of_a_strategy_is_read_from_its_text() -> None:
    assert strategy_name("# x\nname: 'swing'  # mine\nversion: 3\n") == "swing"
    assert strategy_name("version: 3\nmodel:\n  name: inner\n") == ""


def test_pairs() -> None:
    assert parse_pairs(["a=1", "b.c=x=y"], "--set") == {"a": "1", "b.c": "x=y"}
    for words, complaint in ((["a"], "no KEY=VALUE"), (["=1"], "no KEY=VALUE"), (["a=1", "a=2"], "twice")):
        with pytest.raises(UsageProblem, match=complaint):
            parse_pairs(words, "--set")


@given(st.lists(st.lists(st.text("abcé", max_size=30), min_size=3, max_size=3), max_size=8), st.integers(40, 200))
@settings(max_examples=60, deadline=None)
def test_a_table_fits_its_terminal_and_nothing_is_cut_without_one(rows: list[list[str]], width: int) -> None:
    columns = [Column("ID"), Column("NAME", flexible=True), Column("NOTE", flexible=True)]
    fixed = max([2, *(len(row[0]) for row in rows)])
    lines = table_lines(columns, rows, width)
    assert len(lines) == len(rows) + 1
    assert all(line.cell_len <= max(width, fixed + 4 + 24) for line in lines)
    uncut = table_lines(columns, rows, None)
    for row, line in zip(rows, uncut[1:], strict=True):
        assert all(cell in line.plain for cell in row)


@given(st.lists(st.floats(), max_size=300), st.integers(1, 80))
@settings(max_examples=100, deadline=None)
def test_a_sparkline_has_a_block_for_each_share_of_the_points(values: list[float], width: int) -> None:
    finite = [value for value in values if math.isfinite(value) and abs(value) < 1e300]
    assert len(sparkline(finite, width)) == min(width, len(finite))


def test_a_sparkline_rises_with_its_values() -> None:
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([math.nan, math.inf], 8) == ""


def test_pauses_grow_up_to_a_limit_and_start_again() -> None:
    backoff = Backoff(first_seconds=1, factor=2, limit_seconds=5)
    bounds = (1, 2, 4, 5, 5)
    assert all(0 <= backoff.next_pause_seconds() <= bound for bound in bounds)
    assert backoff.failures == 5
    backoff.reset()
    assert backoff.next_pause_seconds() <= 1


def test_faults_are_told_once_and_one_a_line() -> None:
    faults = [FieldFault("a.b", "is wrong"), FieldFault("c", "too")]
    told = InvalidArgument("The strategy is invalid. a.b: is wrong; c: too. Correct what is named.", fields=faults)
    assert error_text_lines(told) == [
        "The strategy is invalid. Correct what is named.", "  a.b: is wrong", "  c: too",
    ]  # fmt: skip
    assert str(told) == told.message
    asking = InvalidArgument("Wrong. a: is it b? Correct it.", fields=[FieldFault("a", "is it b?")])
    assert error_text_lines(asking) == ["Wrong. Correct it.", "  a: is it b?"]
    untold = InvalidArgument("Wrong.", fields=faults)
    assert str(untold).splitlines() == error_text_lines(untold) == ["Wrong.", "  a.b: is wrong", "  c: too"]
