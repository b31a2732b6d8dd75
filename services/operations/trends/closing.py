"""The verdicts with which an attempt ends."""

from collections.abc import Iterable

from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1.trends_pb2 import Verdict

from services.operations.new_points import NewPoints, PackedPoints
from services.operations.operation_state import State
from services.operations.trends.attempt_trends import AttemptTrends
from services.operations.trends.entry import take
from services.operations.trends.series_names import SeriesNames
from services.operations.trends.thresholds import Thresholds


def new_trends(record: pb.Operation, thresholds: Thresholds, names: SeriesNames) -> AttemptTrends:
    """Return trends for an attempt of an operation. A load waits for its gateway now and then: that is no news."""
    keeps = record.type != pb.OPERATION_TYPE_DATA_LOAD
    return AttemptTrends(thresholds, names, keeps_stalls=keeps)


def idle_at_end(trends: AttemptTrends, record: pb.Operation, *, completed: bool, end_ns: int) -> float:
    """Return how many seconds nothing came before an end that is not that of the work itself, and 0 otherwise.

    Args:
        trends: What was looked at.
        record: The operation.
        completed: The work came to its end.
        end_ns: When, nanoseconds since the Unix epoch; 0 if that is not known.
    """
    if completed or record.type == pb.OPERATION_TYPE_DATA_LOAD:
        return 0.0
    return max(0.0, (end_ns - trends.last_ns) / 1e9) if end_ns and trends.last_ns else 0.0


def idle_of_ended(record: pb.Operation, attempt: int, trends: AttemptTrends) -> float:
    """Return how many seconds nothing came before the end of an attempt; see `idle_at_end`.

    Args:
        record: The operation, whose attempt has ended.
        attempt: Number of the attempt.
        trends: What was looked at.
    """
    past = next((each for each in record.past_attempts if each.attempt == attempt), None)
    ended = record if past is None else past
    completed = ended.state == State.STATE_COMPLETED
    return idle_at_end(trends, record, completed=completed, end_ns=ended.end_time.ToNanoseconds())


def closing_verdicts(
    trends: AttemptTrends,
    waiting: Iterable[NewPoints | PackedPoints],
    record: pb.Operation,
    *,
    completed: bool,
    end_ns: int,
) -> list[Verdict]:
    """Return the verdicts of an attempt that ends.

    Args:
        trends: What was looked at; it looks at the rest.
        waiting: The rest of the points.
        record: The operation.
        completed: The work came to its end.
        end_ns: When, nanoseconds since the Unix epoch; 0 if that is not known.
    """
    for points in waiting:
        take(trends, points)
    return trends.verdicts(idle_at_end(trends, record, completed=completed, end_ns=end_ns))
