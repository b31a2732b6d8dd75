"""However a stream of points is cut and repeated, each point comes once, and in order."""

from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.host.v1.metrics_pb2 import MetricSeries
from ktrdr.operations.v1.operations_pb2 import OperationMetrics
from ktrdr_client.new_points import NewPoints, seqs_of


def series(seqs: list[int]) -> MetricSeries:
    contiguous = seqs == list(range(seqs[0], seqs[0] + len(seqs))) if seqs else True
    return MetricSeries(
        name="loss",
        first_seq=seqs[0] if seqs else 0,
        seqs=[] if contiguous else seqs,
        steps=[2 * seq for seq in seqs],
        values=[seq / 2 for seq in seqs],
        times=[seq + 1 for seq in seqs],
    )


def points(seqs: list[int], attempt: int = 1, incarnation: str = "i") -> OperationMetrics:
    return OperationMetrics(operation_id="a", attempt=attempt, incarnation=incarnation, series=[series(seqs)])


@settings(max_examples=100, deadline=None)
@given(
    seqs=st.lists(st.integers(0, 60), unique=True, min_size=1, max_size=20).map(sorted),
    cuts=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=8),
)
def test_repeated_ranges_add_nothing(seqs: list[int], cuts: list[tuple[int, int]]) -> None:
    new_points, told, reached = NewPoints(), list[tuple[int, int, float, int]](), 0
    # Each range begins at or before where the last one ended, as a stream that is resumed does.
    for back, length in [*cuts, (0, len(seqs))]:
        start = max(0, reached - back)
        part = seqs[start : start + length]
        reached = max(reached, start + len(part))
        for fresh in new_points.of(points(part)):
            told += zip(seqs_of(fresh), fresh.steps, fresh.values, fresh.times, strict=True)
    assert told == [(seq, 2 * seq, seq / 2, seq + 1) for seq in seqs]


def test_attempts_and_journals_are_apart() -> None:
    new_points = NewPoints()
    for attempt, incarnation in ((1, "i"), (1, "j"), (2, "i")):
        assert len(new_points.of(points([0, 1], attempt, incarnation))) == 1
        assert new_points.of(points([0, 1], attempt, incarnation)) == []
    new_points.forget("a")
    assert len(new_points.of(points([0]))) == 1
