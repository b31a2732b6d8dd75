"""Cursors belong to readers: reads change nothing, can be repeated, and say when a position is of no use."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ktrdr_bridge import Bridge, JournalReader, Position, ProgressSnapshot


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def reader(journal: Path) -> Iterator[JournalReader]:
    reader = JournalReader(journal)
    yield reader
    reader.close()


@pytest.fixture
def bridge(journal: Path) -> Iterator[Bridge]:
    with Bridge.create(journal, segment_bytes=65_536) as bridge:
        yield bridge


def report(bridge: Bridge, first: int, last: int) -> None:
    for number in range(first, last):
        bridge.on_batch(number, last, {"a": number, "b": -number})


def test_a_missing_file_is_no_journal_yet(reader: JournalReader, journal: Path) -> None:
    found = reader.read()
    assert (found.incarnation, found.series, found.more, found.damage) == ("", [], False, "")
    assert (found.next, found.progress) == (Position("", 0), ProgressSnapshot())
    assert reader.end() == Position("", 0)
    assert reader.change_token() == b""
    with Bridge.create(journal) as bridge:
        bridge.on_epoch(1, {"a": 1})
        later = reader.read(found.next)
        assert (later.incarnation, later.reset, len(later.series)) == (bridge.incarnation, False, 1)


def test_a_file_that_is_only_being_made_is_no_journal_yet(reader: JournalReader, journal: Path) -> None:
    for content in (b"", bytes(70_000)):
        journal.write_bytes(content)
        assert (reader.read().incarnation, reader.read().damage) == ("", "")


def test_a_read_goes_on_where_the_one_before_ended(reader: JournalReader, bridge: Bridge) -> None:
    report(bridge, 0, 10)
    first = reader.read()
    nothing = reader.read(first.next)
    report(bridge, 10, 15)
    second = reader.read(first.next)
    assert list(first.series[0].seqs) == list(range(10))
    assert (nothing.series, nothing.next) == ([], first.next)
    assert list(second.series[1].values) == [-10, -11, -12, -13, -14]
    assert reader.end() == second.next == Position(bridge.incarnation, 15)


def test_reads_can_be_repeated_and_readers_do_not_know_of_each_other(
    reader: JournalReader, bridge: Bridge, journal: Path
) -> None:
    report(bridge, 0, 4_000)
    other = JournalReader(journal)
    positions = [Position(bridge.incarnation, seq) for seq in (0, 3_999, 17, 1_500, 17, 4_000, 1_501)]
    for position in positions:
        mine = reader.read(position, max_points=200)
        again = reader.read(position, max_points=200)
        theirs = other.read(Position(bridge.incarnation, 0), max_points=10**6)
        assert mine == again
        assert [list(series.seqs) for series in mine.series] == [
            list(range(position.seq, min(position.seq + 100, 4_000))) for _ in mine.series
        ]
        assert theirs.next.seq == 4_000
    other.close()


def test_pages_hold_about_so_many_points_and_never_part_of_a_row(reader: JournalReader, bridge: Bridge) -> None:
    report(bridge, 0, 3_000)
    after: Position | None = None
    seen: list[int] = []
    while True:
        found = reader.read(after, max_points=333)
        (a, b) = found.series
        assert a.seqs == b.seqs
        assert len(a.seqs) <= 333 // 2 + 1
        assert found.progress.step == "epoch 1, batch 2999/3000"
        seen += a.seqs
        after = found.next
        if not found.more:
            break
    assert seen == list(range(3_000))
    assert len(reader.read(max_points=1).series[0].seqs) == 1
    assert reader.read(max_points=1).more


def test_rows_without_values_count_for_the_position(reader: JournalReader, bridge: Bridge) -> None:
    for number in range(100):
        bridge.on_rows(number, rows=number)
    found = reader.read(max_points=30)
    assert (found.series, found.next.seq, found.more) == ([], 30, True)
    assert reader.read(found.next).next.seq == 100


@pytest.mark.parametrize("seq", [11, 10**9, 2**64 - 1])
def test_a_position_beyond_the_end_starts_over_and_says_so(reader: JournalReader, bridge: Bridge, seq: int) -> None:
    report(bridge, 0, 10)
    found = reader.read(Position(bridge.incarnation, seq))
    assert found.reset
    assert list(found.series[0].seqs) == list(range(10))
    assert not reader.read(found.next).reset


def test_a_new_journal_at_the_same_path_is_another_incarnation(reader: JournalReader, journal: Path) -> None:
    with Bridge.create(journal) as bridge:
        report(bridge, 0, 10)
        first = reader.read()
    journal.unlink()
    assert reader.read(first.next).reset
    with Bridge.create(journal) as bridge:
        report(bridge, 5, 8)
        second = reader.read(first.next)
    assert second.reset
    assert second.incarnation != first.incarnation
    assert list(second.series[0].values) == [5, 6, 7]


def test_an_unreadable_path_is_reported(tmp_path: Path) -> None:
    reader = JournalReader(tmp_path)
    found = reader.read()
    assert found.series == []
    assert "can't be read" in found.damage
    assert reader.end() == Position("", 0)
    reader.close()


def test_reading_changes_nothing(reader: JournalReader, bridge: Bridge, journal: Path) -> None:
    report(bridge, 0, 10)
    before = journal.read_bytes()
    for _ in range(3):
        reader.read(max_points=5)
        reader.end()
        reader.change_token()
    assert journal.read_bytes() == before


def test_a_closed_reader_opens_again_when_it_is_asked(reader: JournalReader, bridge: Bridge) -> None:
    report(bridge, 0, 3)
    found = reader.read()
    reader.close()
    reader.close()
    assert reader.read().series == found.series
