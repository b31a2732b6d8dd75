"""Which points of an answer are new, and the newest of each series."""

from ktrdr.host.v1.metrics_pb2 import MetricSeries
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.blocks import build_series, pack, seqs_of, unpack
from services.operations.new_points import JournalPositions, new_points, show_latest


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
    record = pb.Operation()
    show_latest(record, first)
    assert [(one.name, one.seq) for one in record.latest_metrics] == [("a", 0), ("b", 1)]
    second = new_points(JournalPositions({"x": 2}), "x", [series("a", [2])])
    assert second is not None
    show_latest(record, second)
    assert [(one.name, one.seq) for one in record.latest_metrics] == [("a", 2), ("b", 1)]
