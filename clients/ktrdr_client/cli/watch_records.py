"""What a watch tells, as records and as lines."""

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rich.text import Text

from ktrdr_client.cli.printer import message_values
from ktrdr_client.cli.words import number
from ktrdr_client.new_points import seqs_of
from ktrdr_client.watch_events import OperationChanged, OperationDeleted, OperationLeft, PointsAdded, WatchEvent


def event_records(event: WatchEvent) -> Iterator[dict[str, Any]]:
    """Yield an event as plain records: an operation as it is, that one is gone, or each point by itself."""
    match event:
        case OperationChanged():
            yield message_values(event.operation)
        case OperationDeleted():
            yield {"id": event.operation_id, "deleted": True, "revision": str(event.revision)}
        case OperationLeft():
            yield {"id": event.operation_id, "left_filter": True, "revision": str(event.revision)}
        case PointsAdded():
            yield from _point_records(event)


def point_lines(event: PointsAdded) -> Iterator[Text]:
    """Yield a line for each row of a journal: all that was written at once."""
    rows: dict[int, list[str]] = {}
    steps: dict[int, int] = {}
    for series in event.series:
        for seq, step, value in zip(seqs_of(series), series.steps, series.values, strict=True):
            rows.setdefault(seq, []).append(f"{series.name}={number(value)}")
            steps[seq] = step
    for seq in sorted(rows):
        yield Text(f"{event.operation_id}  step {steps[seq]}  {' '.join(rows[seq])}")


def json_number(value: float) -> float | str:
    """Return a number that every JSON reader takes: NaN and infinities as text, as protobuf's JSON has them."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else json.dumps(value)


def time_words(time_ns: int) -> str:
    """Return a time in nanoseconds since the Unix epoch as text, UTC, to the millisecond."""
    return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat(timespec="milliseconds")


def _point_records(event: PointsAdded) -> Iterator[dict[str, Any]]:
    for series in event.series:
        for seq, step, value, time_ns in zip(seqs_of(series), series.steps, series.values, series.times, strict=True):
            yield {
                "operation_id": event.operation_id,
                "attempt": event.attempt,
                "series": series.name,
                "seq": seq,
                "step": step,
                "time": time_words(time_ns),
                "value": json_number(value),
            }
