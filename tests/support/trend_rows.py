"""Rows of metrics for tests of trends."""

from collections.abc import Mapping

from services.operations.trends.rows import Row


def row(seq: int, step: int, time_ns: int, metrics: Mapping[str, float]) -> Row:
    """Return a row with these metrics."""
    return Row(seq, step, time_ns, tuple(metrics), tuple(metrics.values()))
