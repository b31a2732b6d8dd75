"""Points that are shown already, on their way into the store.

Their hosts keep them until the stored cursor is beyond them, so they need not be stored before they are shown. They go
into the store with the next row of their operation, all of them as one batch: one row for each would cost many times
what everything else about them costs.
"""

import struct
from collections.abc import Iterator, Sequence
from itertools import groupby

from ktrdr.host.v1.metrics_pb2 import MetricSeries

from services.operations.blocks import pack, seqs_of, unpack
from services.operations.changes import Changes, Row
from services.operations.live_operation import LiveOperation, ShownPoints


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
    first, last = shown[0], shown[-1]
    marks = [number for one in shown for number in (one.last_seq, one.revision)]
    return {
        "operation_id": operation_id,
        "attempt": attempt,
        "incarnation": first.incarnation,
        "first_seq": first.first_seq,
        "last_seq": last.last_seq,
        "points": sum(one.values for one in shown),
        "revision": last.revision,
        "marks": struct.pack(f"<{len(marks)}Q", *marks) if len(shown) > 1 else None,
        "data": first.data if len(shown) == 1 else _joined(shown),
    }


def _blocks(operation: LiveOperation, attempt: int) -> Iterator[Row]:
    for _, shown in groupby(operation.shown_points, key=lambda one: one.incarnation):
        yield block_row(operation.id, attempt, list(shown))


def _joined(shown: Sequence[ShownPoints]) -> bytes:
    """Return the points of parts that follow each other as one batch, in which each series is there once."""
    joined: dict[str, MetricSeries] = {}
    for one in unpack(b"".join([part.data for part in shown])):
        known = joined.setdefault(one.name, one)
        if known is not one:
            _append(known, one)
    return pack(joined.values())


def _append(known: MetricSeries, more: MetricSeries) -> None:
    first = known.first_seq
    follows = not known.seqs and not more.seqs and first + len(known.values) == more.first_seq
    seqs = [] if follows else [*seqs_of(known), *seqs_of(more)]
    known.MergeFrom(more)
    known.first_seq = first
    if seqs:
        del known.seqs[:]
        known.seqs.extend(seqs)
