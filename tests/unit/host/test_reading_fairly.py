import math
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ktrdr_bridge import Bridge, Position

from services.host.packing import to_columns, to_rows
from services.host.points import JournalSource, Points, read_fairly

START = Position("", 0)


def journal(path: Path, rows: int) -> Path:
    with Bridge.create(path, segment_bytes=2**16) as bridge:
        for row in range(1, rows + 1):
            bridge.on_epoch(row, {"a": row / 2, "b": math.nan})
    return path


def sources(paths: list[Path]) -> list[JournalSource]:
    return [JournalSource(path, None, START) for path in paths]


def counts(found: list[Points]) -> list[int]:
    return [sum(len(series.values) for series in points.series.values()) for points in found]


def test_each_gets_an_equal_part_and_leaves_what_it_does_not_need(tmp_path: Path) -> None:
    paths = [journal(tmp_path / name, rows) for name, rows in (("a", 2), ("b", 100), ("c", 100))]
    found = read_fairly(sources(paths), 64)
    assert counts(found) == [4, 30, 30]
    assert [points.more for points in found] == [False, True, True]


def test_a_room_too_small_for_all_goes_to_the_first(tmp_path: Path) -> None:
    paths = [journal(tmp_path / str(name), 5) for name in range(3)]
    assert counts(read_fairly(sources(paths), 3)) == [2, 2, 0]


def test_a_journal_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    found = read_fairly([JournalSource(tmp_path / "none", None, Position("ab" * 16, 7))], 10)
    assert (found[0].position, found[0].more, found[0].reset) == (Position("ab" * 16, 7), False, False)


def test_a_journal_of_another_life_is_read_from_its_start(tmp_path: Path) -> None:
    path = journal(tmp_path / "j", 3)
    found = read_fairly([JournalSource(path, None, Position("ab" * 16, 2))], 100)
    assert (found[0].reset, counts(found)) == (True, [6])


@pytest.mark.parametrize("room", [1, 3, 8, 1_000])
def test_rows_without_values_take_room_too(tmp_path: Path, room: int) -> None:
    with Bridge.create(tmp_path / "j", segment_bytes=2**16) as bridge:
        for row in range(50):
            bridge.on_rows(row, rows=row)
    found = read_fairly(sources([tmp_path / "j"]), room)
    assert found[0].position.seq == min(room, 50)


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True), min_size=1, max_size=20))
def test_rows_and_columns_hold_the_same(tmp_path_factory: pytest.TempPathFactory, events: list[list[str]]) -> None:
    path = tmp_path_factory.mktemp("journals") / "j"
    with Bridge.create(path, segment_bytes=2**16) as bridge:
        for step, names in enumerate(events, start=1):
            bridge.on_epoch(step, {name: step + ord(name) / 1000 for name in names})
    points = read_fairly(sources([path]), 10_000)[0]
    columns: dict[tuple[str, int], tuple[int, int, float]] = {}
    for series in to_columns(points.series):
        seqs = series.seqs or range(series.first_seq, series.first_seq + len(series.values))
        for seq, step, value, time in zip(seqs, series.steps, series.values, series.times, strict=True):
            columns[series.name, seq] = (step, time, value)
    rows: dict[tuple[str, int], tuple[int, int, float]] = {}
    for block in to_rows(points.series):
        for seq, step, time, *values in struct.iter_unpack(f"<Qqq{len(block.names)}d", block.data):
            rows |= {(name, seq): (step, time, value) for name, value in zip(block.names, values, strict=True)}
    assert rows == columns
    assert len(rows) == sum(map(len, events))
