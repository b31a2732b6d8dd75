"""Histories are put together from batches, cut at rows, and read on without gap or repeat."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.host.v1.metrics_pb2 import MetricSeries

from services.operations.blocks import build_series, pack, seqs_of, unpack
from services.operations.curves import Curves
from services.operations.new_points import JournalPositions, latest_values, new_points
from services.operations.store_reader import StoredBlock


def series(name: str, seqs: list[int]) -> MetricSeries:
    return build_series(name, seqs, seqs, [float(seq) for seq in seqs], seqs)


def test_contiguous_sequence_numbers_are_left_implicit() -> None:
    assert not series("loss", [4, 5, 6]).seqs
    assert seqs_of(series("loss", [4, 5, 6])) == [4, 5, 6]
    assert seqs_of(series("loss", [4, 6])) == [4, 6]
    assert seqs_of(series("loss", [])) == []
    assert unpack(pack([series("a", [1]), series("b", [2, 4])])) == [series("a", [1]), series("b", [2, 4])]


def test_only_new_rows_of_an_answer_count() -> None:
    positions = JournalPositions({"x": 5})
    points = new_points(positions, "x", [series("loss", [3, 4, 5, 6]), series("epoch", [2, 7]), series("old", [1])])
    assert points is not None
    assert [(one.name, seqs_of(one)) for one in points.series] == [("loss", [5, 6]), ("epoch", [7])]
    assert (points.first_seq, points.last_seq, points.count) == (5, 7, 3)
    assert new_points(positions, "x", [series("loss", [3, 4])]) is None
    other = new_points(positions, "y", [series("loss", [0])])
    assert other is not None
    assert positions.ordinal("x") == 0
    assert positions.ordinal("y") == 1


def test_the_newest_point_of_each_series_is_kept() -> None:
    first = new_points(JournalPositions(), "x", [series("b", [0, 1]), series("a", [0])])
    assert first is not None
    latest = latest_values([], first)
    assert [(one.name, one.seq) for one in latest] == [("a", 0), ("b", 1)]
    second = new_points(JournalPositions({"x": 2}), "x", [series("a", [2])])
    assert second is not None
    assert [(one.name, one.seq) for one in latest_values(latest, second)] == [("a", 2), ("b", 1)]


ROWS = st.lists(st.lists(st.sampled_from("abc"), max_size=3, unique=True), max_size=40)


@settings(deadline=None)
@given(ROWS, st.integers(1, 7), st.integers(1, 5), st.integers(-1, 20), st.sampled_from([(), ("a",), ("b", "c")]))
def test_pages_give_each_wanted_point_once_and_split_no_row(
    rows: list[list[str]], batch: int, room: int, after_seq: int, names: tuple[str, ...]
) -> None:
    blocks = []
    for start in range(0, len(rows), batch):
        seqs = {
            name: [seq for seq in range(start, min(start + batch, len(rows))) if name in rows[seq]] for name in "abc"
        }
        present = [series(name, found) for name, found in seqs.items() if found]
        if present:
            blocks.append(StoredBlock(start // (2 * batch), f"journal {start // (2 * batch)}", pack(present)))
    pages: list[list[tuple[int, str, int]]] = []
    ordinal, seq, full = 0, 0, True
    while full:
        curves = Curves(names, after_seq, room, ordinal=ordinal, seq=seq)
        for block in blocks:
            if block.ordinal >= ordinal:
                curves.add(block)
        found = [
            (int(curve.incarnation.split()[1]), curve.name, number)
            for curve in curves.histories()
            for number in curve.seqs
        ]
        rows_of_page = {(journal, number) for journal, _, number in found}
        assert len(found) <= room or len(rows_of_page) == 1
        pages.append(found)
        ordinal, seq, full = curves.ordinal, curves.seq, curves.full
    told = [point for page in pages for point in page]
    wanted = [
        (start // (2 * batch), name, number)
        for start in range(0, len(rows), batch)
        for number in range(start, min(start + batch, len(rows)))
        for name in rows[number]
        if number > after_seq and (not names or name in names)
    ]
    assert sorted(told) == sorted(wanted)
    for one, other in itertools.pairwise(pages):
        shared = {(journal, number) for journal, _, number in one} & {(journal, number) for journal, _, number in other}
        assert not shared
