"""Points that are shown already, on their way into the store.

Their hosts keep them until the stored cursor is beyond them, so they need not be stored before they are shown. They go
into the store with the next row of their operation, all of them as one batch: one row for each would cost many times
what everything else about them costs.
"""

import struct
from collections.abc import Iterator, Sequence
from itertools import groupby

from ktrdr.host.v1.metrics_pb2 import MetricSeries

from services.operations.blocks import pack, seqs_of
from services.operations.changes import Changes, Row
from services.operations.live_operation import LiveOperation, ShownPoints
from services.operations.new_points import NewPoints


def add_points(changes: Changes, operation: LiveOperation, attempt: int) -> None:
    """Add the points of an operation that are shown and not stored, and how far its journals are read with them.

    Args:
        changes: Where to add them.
        operation: The operation.
        attempt: Number of its attempt.
    """
    for ordinal, (incarnation, next_seq) in enumerate(operation.positions.next_seq.items()):
        changes.journals.append(
            {
                "operation_id": operation.id,
                "attempt": attempt,
                "incarnation": incarnation,
                "ordinal": ordinal,
                "next_seq": next_seq,
            }
        )
    if operation.shown_points:
        revision = operation.shown_points[-1].revision
        changes.metric_blocks.extend(_blocks(operation, attempt))
        changes.when_stored.append(lambda: operation.points_stored(revision))


def block_row(operation_id: str, attempt: int, shown: Sequence[ShownPoints]) -> Row:
    """Return the row of a batch of points.

    Args:
        operation_id: Whose.
        attempt: Number of the attempt.
        shown: The points, all of one journal, in order.
    """
    first, last = shown[0].points, shown[-1].points
    marks = [number for points, revision in shown for number in (points.last_seq, revision)]
    return {
        "operation_id": operation_id,
        "attempt": attempt,
        "incarnation": first.incarnation,
        "first_seq": first.first_seq,
        "last_seq": last.last_seq,
        "points": sum(one.points.count for one in shown),
        "revision": shown[-1].revision,
        "marks": struct.pack(f"<{len(marks)}Q", *marks) if len(shown) > 1 else None,
        "data": pack(first.series if len(shown) == 1 else _joined([one.points for one in shown])),
    }


def _blocks(operation: LiveOperation, attempt: int) -> Iterator[Row]:
    for _, shown in groupby(operation.shown_points, key=lambda one: one.points.incarnation):
        yield block_row(operation.id, attempt, list(shown))


def _joined(parts: Sequence[NewPoints]) -> list[MetricSeries]:
    """Return the series of parts that follow each other, each series as one."""
    joined: dict[str, MetricSeries] = {}
    for part in parts:
        for one in part.series:
            known = joined.get(one.name)
            if known is None:
                joined[one.name] = known = MetricSeries()
                known.CopyFrom(one)
            else:
                _append(known, one)
    return list(joined.values())


def _append(known: MetricSeries, more: MetricSeries) -> None:
    first = known.first_seq
    follows = not known.seqs and not more.seqs and first + len(known.values) == more.first_seq
    seqs = [] if follows else [*seqs_of(known), *seqs_of(more)]
    known.MergeFrom(more)
    known.first_seq = first
    if seqs:
        del known.seqs[:]
        known.seqs.extend(seqs)
