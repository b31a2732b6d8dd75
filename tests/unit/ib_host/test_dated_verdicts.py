"""Verdicts about bars of a day and longer, against history that is known: of it nothing may be called missing."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.ib.v1 import bars_pb2

from services.ib_host.ledger.records import SpanOutcome
from tests.support.checked_datasets import CheckedDataset, bars_at, key_of, span_times
from tests.support.recorded_bars import recorded_bars

FIRST = datetime(2000, 3, 1, tzinfo=UTC)
END = datetime(2013, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
NOT_LOADED = bars_pb2.MissingSpan.REASON_NOT_LOADED
HAS_NONE = bars_pb2.MissingSpan.REASON_GATEWAY_HAS_NONE
LEFT_OUT = bars_pb2.MissingSpan.REASON_LEFT_OUT
FAILED = bars_pb2.MissingSpan.REASON_FAILED


def day(text: str) -> datetime:
    return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)


def recorded(home: Path, symbol: str, without: frozenset[datetime] = frozenset()) -> CheckedDataset:
    bars = [bar for bar in recorded_bars(symbol) if bar.time not in without]
    prices = [(bar.open, bar.high, bar.low, bar.close) for bar in bars]
    return CheckedDataset(
        home, key_of(symbol), bars_at([bar.time for bar in bars], prices, [bar.volume for bar in bars])
    )


@pytest.mark.parametrize(
    ("symbol", "first", "sessions"),
    [
        ("AAPL", FIRST, 3270),
        ("IBM", FIRST, 3270),
        ("MSFT", FIRST, 3270),
        ("GOOG", day("2004-08-19"), 2148),
        ("FB", day("2012-05-18"), 196),
    ],
)
def test_thirteen_years_of_real_history_have_no_gap(
    tmp_path: Path, symbol: str, first: datetime, sessions: int
) -> None:
    dataset = recorded(tmp_path, symbol)
    dataset.asked(FIRST, END)
    verdict = dataset.verdict(first, END)
    assert (verdict.expected_bars, verdict.stored_bars) == (sessions, sessions)
    assert (verdict.missing_bars, verdict.missing_spans, verdict.unexpected_bars) == (0, 0, 0)
    assert (verdict.duplicate_bars, verdict.unordered_bars, verdict.impossible_bars) == (0, 0, 0)
    assert verdict.complete
    assert verdict.calendar == "XNYS of exchange-calendars"


def test_each_missing_day_is_told_with_its_reason(tmp_path: Path) -> None:
    gone = [day(text) for text in ("2001-09-10", "2001-09-17", "2004-06-10", "2012-10-26", "2012-10-31", "2012-11-01")]
    dataset = recorded(tmp_path, "AAPL", frozenset(gone))
    dataset.asked(day("2001-01-01"), day("2002-01-01"))
    dataset.asked(day("2004-01-01"), day("2005-01-01"), SpanOutcome.EMPTY, "HMDS query returned no data")
    dataset.asked(day("2012-01-01"), day("2012-10-30"), SpanOutcome.FAILED, "no answer within 60 s")
    verdict = dataset.verdict(FIRST, END)
    assert verdict.missing_bars == 6
    # From the tenth to the seventeenth of September 2001, and over the two days of the hurricane, there was no session.
    assert [(*span_times(span), span.reason) for span in verdict.missing] == [
        (day("2001-09-10"), day("2001-09-18"), 2, LEFT_OUT),
        (day("2004-06-10"), day("2004-06-11"), 1, HAS_NONE),
        (day("2012-10-26"), day("2012-10-27"), 1, FAILED),
        (day("2012-10-31"), day("2012-11-02"), 2, NOT_LOADED),
    ]
    texts = [span.text for span in verdict.missing]
    assert texts[0] == "the gateway's answer has none (asked 2002-01-01 00:00 UTC, 1 Y)"
    assert "HMDS query returned no data" in texts[1]
    assert "no answer within 60 s" in texts[2]
    assert "ktrdr data load AAPL 1d --start 2012-10-31 --end 2012-11-01" in texts[3]
    assert not verdict.complete


def test_what_the_gateway_does_not_have_does_not_make_a_dataset_incomplete(tmp_path: Path) -> None:
    dataset = recorded(tmp_path, "FB")
    dataset.asked(FIRST, day("2012-05-18"), SpanOutcome.EMPTY)
    dataset.asked(day("2012-05-18"), END)
    verdict = dataset.verdict(FIRST, END)
    assert verdict.missing_bars == 3270 - 196
    assert [span.reason for span in verdict.missing] == [HAS_NONE]
    assert verdict.complete


def test_what_was_asked_before_the_ledger_was_kept_counts_as_not_loaded(tmp_path: Path) -> None:
    verdict = recorded(tmp_path, "AAPL", frozenset({day("2010-05-06")})).verdict(FIRST, END)
    assert [span.reason for span in verdict.missing] == [NOT_LOADED]
    assert not verdict.complete


@settings(max_examples=6, deadline=None)
@given(st.sets(st.integers(1, 3268), min_size=1, max_size=40))
def test_exactly_the_gaps_that_were_made_are_found(tmp_path_factory: pytest.TempPathFactory, places: set[int]) -> None:
    times = [bar.time for bar in recorded_bars("AAPL")]
    gone = frozenset(times[place] for place in places)
    dataset = recorded(tmp_path_factory.mktemp("home"), "AAPL", gone)
    verdict = dataset.verdict(FIRST, END)
    runs: list[list[int]] = []
    for place in sorted(places):
        if runs and runs[-1][-1] == place - 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    assert [span_times(span) for span in verdict.missing] == [
        (times[run[0]], times[run[-1]] + DAY, len(run)) for run in runs
    ]
    assert (verdict.missing_bars, verdict.missing_spans) == (len(places), len(runs))


def test_a_bar_on_a_day_without_a_session_is_unexpected(tmp_path: Path) -> None:
    days = [day(text) for text in ("2001-09-10", "2001-09-11", "2001-09-17", "2001-09-22")]
    verdict = CheckedDataset(tmp_path, key_of(), bars_at(days)).verdict(days[0], day("2001-09-18"))
    assert (verdict.expected_bars, verdict.stored_bars, verdict.unexpected_bars) == (2, 3, 1)


def test_only_the_listed_spans_are_limited(tmp_path: Path) -> None:
    times = [bar.time for bar in recorded_bars("AAPL")]
    dataset = recorded(tmp_path, "AAPL", frozenset(times[1:-1:2]))
    dataset.asked(FIRST, day("2012-01-01"), SpanOutcome.EMPTY)
    verdict = dataset.verdict(FIRST, END, most_spans=3)
    assert (verdict.missing_spans, verdict.missing_bars) == (1634, 1634)  # each second of 3268 days between the ends
    # Those that can be loaded come before those that the gateway does not have.
    assert [span.reason for span in verdict.missing] == [NOT_LOADED] * 3
    assert dataset.verdict(FIRST, END, most_spans=0).missing_spans == 1634


@pytest.mark.parametrize("label", ["first", "last"])
def test_a_week_is_there_whatever_day_its_bar_is_dated_with(tmp_path: Path, label: str) -> None:
    weeks: dict[tuple[int, int], list[datetime]] = {}
    for bar in recorded_bars("AAPL"):
        weeks.setdefault(bar.time.isocalendar()[:2], []).append(bar.time)
    times = [days[0 if label == "first" else -1] for days in weeks.values()]
    gone = times.pop(300)
    dataset = CheckedDataset(tmp_path, key_of(bar_size=bars_pb2.BAR_SIZE_1_WEEK), bars_at(times))
    verdict = dataset.verdict(FIRST, END)
    # The first week begins before the range, and counts only where it has a bar.
    assert (verdict.expected_bars, verdict.missing_bars, verdict.unexpected_bars) == (len(weeks), 1, 0)
    [span] = verdict.missing
    assert span.end_time.ToDatetime(UTC) > gone
    assert span.start_time.ToDatetime(UTC) - gone < timedelta(days=7)


def test_months(tmp_path: Path) -> None:
    months: dict[tuple[int, int], datetime] = {
        (bar.time.year, bar.time.month): bar.time for bar in recorded_bars("AAPL")
    }
    times = list(months.values())
    del times[20]
    dataset = CheckedDataset(tmp_path, key_of(bar_size=bars_pb2.BAR_SIZE_1_MONTH), bars_at(times))
    verdict = dataset.verdict(FIRST, END)
    assert (verdict.expected_bars, verdict.missing_bars, verdict.unexpected_bars) == (157, 1, 0)
    assert [span_times(span) for span in verdict.missing] == [(day("2001-11-30"), day("2001-12-01"), 1)]


def test_a_session_that_is_not_over_is_not_expected_yet(tmp_path: Path) -> None:
    dataset = CheckedDataset(tmp_path, key_of(), bars_at([day("2013-02-27")]))
    before_the_close = datetime(2013, 2, 28, 20, 59, tzinfo=UTC)
    verdict = dataset.verdict(day("2013-02-27"), day("2013-03-02"), now=before_the_close)
    assert (verdict.expected_bars, verdict.missing_bars) == (1, 0)
    verdict = dataset.verdict(day("2013-02-27"), day("2013-03-02"), now=before_the_close + timedelta(minutes=1))
    assert (verdict.expected_bars, verdict.missing_bars) == (2, 1)


def test_an_import_lacks_what_was_not_in_it(tmp_path: Path) -> None:
    key = key_of(source=bars_pb2.SOURCE_IMPORTED)
    verdict = CheckedDataset(tmp_path, key, bars_at([day("2013-02-27"), day("2013-03-01")])).verdict(
        day("2013-02-27"), END
    )
    assert [(span.reason, span.text) for span in verdict.missing] == [(LEFT_OUT, "not in what was imported")]
    assert not verdict.complete


def test_an_import_without_an_exchange_is_taken_for_new_york_if_in_dollars(tmp_path: Path) -> None:
    days = bars_at([day("2012-10-26"), day("2012-10-31")])
    for currency, calendar in (
        ("USD", "XNYS of exchange-calendars"),
        ("EUR", "none: the sessions of AAPL are not known; write them into data/calendars/symbols/AAPL.toml"),
    ):
        key = key_of(
            source=bars_pb2.SOURCE_IMPORTED, primary_exchange="", exchange="", currency=currency, contract_id=0
        )
        verdict = CheckedDataset(tmp_path / currency, key, days).verdict(day("2012-10-26"), day("2012-11-01"))
        assert (verdict.calendar, verdict.complete) == (calendar, True)


def test_without_a_calendar_the_rest_is_checked(tmp_path: Path) -> None:
    key = key_of(primary_exchange="NOWHERE")
    prices = [(10.0, 9.0, 8.0, 9.0), (10.0, 11.0, 9.0, 10.0)]
    dataset = CheckedDataset(tmp_path, key, bars_at([day("2013-02-27"), day("2013-03-01")], prices))
    verdict = dataset.verdict(day("2013-02-27"), END)
    assert verdict.calendar == (
        "none: the sessions of NOWHERE are not known; write them into data/calendars/NOWHERE.toml"
    )
    assert (verdict.expected_bars, verdict.missing_bars, verdict.unexpected_bars, verdict.impossible_bars) == (
        0,
        0,
        0,
        1,
    )
    dataset.asked(day("2013-02-27"), day("2013-02-28"))
    dataset.asked(day("2013-02-28"), day("2013-03-01"), SpanOutcome.FAILED, "no answer")
    verdict = dataset.verdict(day("2013-02-27"), END)
    assert [(*span_times(span), span.reason) for span in verdict.missing] == [
        (day("2013-02-28"), day("2013-03-01"), 0, FAILED),
        (day("2013-03-01"), END, 0, NOT_LOADED),
    ]
    assert not verdict.complete


def test_times_before_a_calendar_begins_are_neither_missing_nor_unexpected(tmp_path: Path) -> None:
    key = key_of(primary_exchange="TSEJ", currency="JPY")
    days = [day(text) for text in ("1996-12-26", "1997-01-06", "1997-01-07")]
    verdict = CheckedDataset(tmp_path, key, bars_at(days)).verdict(days[0], day("1997-01-08"))
    assert verdict.calendar == "XTKS of exchange-calendars; nothing is known before 1996-12-31"
    assert (verdict.expected_bars, verdict.stored_bars, verdict.missing_bars, verdict.unexpected_bars) == (2, 3, 0, 0)
