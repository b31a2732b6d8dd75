"""What is known always tiles with what is not, later lines overrule earlier ones, and a crash costs the last line."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ib_host.ledger.dataset_ledger import DatasetLedger
from services.ib_host.ledger.ledger_file import NAME
from services.ib_host.ledger.records import SpanOutcome, SpanRecord
from services.ib_host.ledger.spans import merged, within, without
from services.ib_host.planning.span import Span

HOURS = 48
MIDNIGHT = datetime(2013, 3, 1, tzinfo=UTC)


def hour(number: int) -> datetime:
    return MIDNIGHT + timedelta(hours=number)


def record(start: int, end: int, outcome: SpanOutcome = SpanOutcome.DONE, session: str = "s") -> SpanRecord:
    return SpanRecord(
        start=hour(start), end=hour(end), outcome=outcome, received=end - start, new=1, time=MIDNIGHT,
        reason="no answer" if outcome is SpanOutcome.FAILED else "", request="1 D, 1 hour TRADES rth", session=session,
    )  # fmt: skip


Step = tuple[int, int, SpanOutcome | None]
steps = st.lists(
    st.tuples(st.integers(0, HOURS - 1), st.integers(1, HOURS), st.sampled_from([*SpanOutcome, None])).filter(
        lambda step: step[0] < step[1]
    ),
    max_size=12,
)


def write(ledger: DatasetLedger, step: Step) -> None:
    start, end, outcome = step
    if outcome is None:
        ledger.invalidate(hour(start), hour(end), "a split")
    else:
        ledger.add(record(start, end, outcome))


def known_hours(done: Sequence[Step]) -> set[int]:
    known: set[int] = set()
    for start, end, outcome in done:
        hours = set(range(start, end))
        known = known | hours if outcome in {SpanOutcome.DONE, SpanOutcome.EMPTY} else known - hours
    return known


def hours_of(spans: Sequence[Span]) -> set[int]:
    return {number for number in range(HOURS) for start, end in spans if start <= hour(number) < end}


@given(steps, st.integers(0, HOURS - 1), st.integers(1, HOURS))
@settings(max_examples=40)
def test_known_and_unknown_tile_the_range_and_the_latest_word_counts(done: list[Step], low: int, length: int) -> None:
    high = min(HOURS, low + length)
    with TemporaryDirectory() as folder:
        writer, reader = DatasetLedger.open(Path(folder)), DatasetLedger.open(Path(folder))
        for step in done:
            write(writer, step)
        for ledger in (writer, reader, DatasetLedger.open(Path(folder))):
            known, unknown = ledger.known(hour(low), hour(high)), ledger.unknown(hour(low), hour(high))
            assert hours_of(known) == known_hours(done) & set(range(low, high))
            both = sorted([*known, *unknown])
            assert merged(both) == [Span(hour(low), hour(high))]
            assert all(before.end == after.start for before, after in pairwise(both))
            in_force = ledger.records(hour(low), hour(high))
            assert all(before.end <= after.start for before, after in pairwise(in_force))


@given(steps.filter(bool), st.data())
@settings(max_examples=40)
def test_a_crash_at_any_byte_loses_at_most_the_last_line(done: list[Step], data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        ledger, path = DatasetLedger.open(Path(folder)), Path(folder) / NAME
        for step in done[:-1]:
            write(ledger, step)
        before = path.stat().st_size if done[:-1] else 0
        write(ledger, done[-1])
        cut = data.draw(st.integers(before, path.stat().st_size))
        path.write_bytes(path.read_bytes()[:cut])
        kept = done if path.read_bytes().count(b"\n") == len(done) else done[:-1]
        torn = DatasetLedger.open(Path(folder))
        assert hours_of(torn.known(hour(0), hour(HOURS))) == known_hours(kept)
        torn.add(record(3, 4))
        again = DatasetLedger.open(Path(folder))
        assert hours_of(again.known(hour(0), hour(HOURS))) == known_hours([*kept, (3, 4, SpanOutcome.DONE)])


def test_records_in_force_are_cut_where_later_ones_overrule_them(tmp_path: Path) -> None:
    ledger = DatasetLedger.open(tmp_path)
    ledger.add(record(0, 10))
    ledger.add(record(4, 6, SpanOutcome.FAILED))
    assert [(found.start, found.end, found.outcome.value) for found in ledger.records(hour(2), hour(8))] == [
        (hour(2), hour(4), "done"), (hour(4), hour(6), "failed"), (hour(6), hour(8), "done"),
    ]  # fmt: skip
    assert ledger.unknown(hour(0), hour(10)) == [Span(hour(4), hour(6))]
    assert ledger.records(hour(4), hour(5))[0].reason == "no answer"


def test_a_session_knows_what_it_found_out_itself(tmp_path: Path) -> None:
    ledger = DatasetLedger.open(tmp_path)
    ledger.add(record(0, 10, session="old"))
    ledger.add(record(2, 4, session="new"))
    ledger.add(record(5, 6, SpanOutcome.FAILED, session="new"))
    assert ledger.known_to("new", hour(0), hour(10)) == [Span(hour(2), hour(4))]


def test_a_damaged_line_costs_what_it_said_only(tmp_path: Path) -> None:
    ledger = DatasetLedger.open(tmp_path)
    for number in range(3):
        ledger.add(record(2 * number, 2 * number + 2))
    lines = (tmp_path / NAME).read_bytes().splitlines(keepends=True)
    lines[1] = b"{rubbish}\n"
    (tmp_path / NAME).write_bytes(b"".join(lines))
    assert DatasetLedger.open(tmp_path).unknown(hour(0), hour(6)) == [Span(hour(2), hour(4))]


def test_lines_that_nothing_depends_on_are_dropped_and_other_readers_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ib_host.ledger.dataset_ledger._SPARE_LINES", 10)
    writer, reader = DatasetLedger.open(tmp_path), DatasetLedger.open(tmp_path)
    for number in range(40):
        writer.add(record(0, 1 + number % 3))
        writer.add(record(5, 6, SpanOutcome.FAILED))
        if number % 7 == 0:
            reader.add(record(10, 11, session=f"reader {number}"))
        assert reader.records(hour(0), hour(HOURS)) == writer.records(hour(0), hour(HOURS))
    assert len((tmp_path / NAME).read_bytes().splitlines()) < 25
    assert DatasetLedger.open(tmp_path).known_to("reader 35", hour(0), hour(HOURS)) == [Span(hour(10), hour(11))]


def test_nothing_is_known_of_a_dataset_that_is_not_there(tmp_path: Path) -> None:
    ledger = DatasetLedger.open(tmp_path / "none")
    assert ledger.unknown(hour(0), hour(5)) == [Span(hour(0), hour(5))]
    assert not (tmp_path / "none").exists()
    ledger.add(record(0, 5))
    assert DatasetLedger.open(tmp_path / "none").unknown(hour(0), hour(5)) == []


def test_spans_are_subtracted_and_cut() -> None:
    wanted = [Span(hour(0), hour(5)), Span(hour(5), hour(9))]
    assert without(wanted, [Span(hour(2), hour(3)), Span(hour(8), hour(20))]) == [
        Span(hour(0), hour(2)), Span(hour(3), hour(8)),
    ]  # fmt: skip
    assert within(wanted, hour(4), hour(6)) == [Span(hour(4), hour(6))]
    assert without(wanted, wanted) == []
