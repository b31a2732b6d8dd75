"""`ktrdr ops metrics`: the history of operations as a table, as records, or drawn."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ktrdr.operations.v1.operations_pb2 import Operation
from rich.text import Text

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.invocation import OutputFormat
from ktrdr_client.cli.live import best_point, sparkline
from ktrdr_client.cli.printer import Printer, write_csv
from ktrdr_client.cli.tables import Column
from ktrdr_client.cli.watch_records import json_number, time_words
from ktrdr_client.cli.words import number, title
from ktrdr_client.errors import NotFound
from ktrdr_client.metrics import MetricColumns, Metrics

_PLOT_POINTS: Final = 500
_MOST_IN_ONE_CALL: Final = 100
_COLUMNS: Final = (
    Column("SERIES"),
    Column("POINTS", align="right"),
    Column("FIRST", align="right"),
    Column("LAST", align="right"),
    Column("LOWEST", align="right"),
    Column("HIGHEST", align="right"),
    Column("CURVE"),
)


async def show_metrics(
    client: AsyncClient,
    printer: Printer,
    operations: Sequence[Operation],
    *,
    series: Sequence[str],
    attempt: int,
    points: int | None,
    plot: bool,
) -> None:
    """Print the metrics of operations.

    Args:
        client: Where they come from.
        printer: Where they go.
        operations: Whose they are.
        series: Only these; empty for all.
        attempt: 0 for the latest.
        points: Most points of each series; None for what fits the way they are shown.
        plot: Draw them.

    Raises:
        NotFound: A series does not exist.
    """
    most = points if points is not None else _PLOT_POINTS if plot else 0
    found = await _fetch(client, [each.id for each in operations], series=series, attempt=attempt, points=most)
    for operation in operations:
        _check(found[operation.id], series, operation, alone=len(operations) == 1)
    if printer.format is not OutputFormat.TABLE:
        _print_records(printer, [found[operation.id] for operation in operations])
        return
    for index, operation in enumerate(operations):
        metrics = found[operation.id]
        if index:
            printer.text("")
        if len(operations) > 1:
            printer.text(Text(f"{title(operation)} ({operation.id})", style="bold"))
        if not metrics:
            printer.message(f"{operation.id} has no metrics yet")
        elif plot:
            from ktrdr_client.cli.plot import print_plot

            print_plot(printer, metrics, title(operation), chosen=bool(series))
        else:
            _print_table(printer, metrics)
        if operation.checkpoint_session_id and not attempt:
            earlier = f"ktrdr ops metrics {operation.id} --attempt {operation.attempt - 1}"
            printer.message(f"attempt {operation.attempt} goes on from a checkpoint; what was before:  {earlier}")


async def _fetch(
    client: AsyncClient, ids: Sequence[str], *, series: Sequence[str], attempt: int, points: int
) -> Mapping[str, Metrics]:
    """Return the metrics of operations by id; of the latest attempts of several in one call."""
    if len(ids) > 1 and not attempt:
        found: dict[str, Metrics] = {}
        for start in range(0, len(ids), _MOST_IN_ONE_CALL):
            some = ids[start : start + _MOST_IN_ONE_CALL]
            found.update(await client.compare_metrics(some, series=series, max_points=points))
        return found
    return {each: await client.metrics(each, series=series, attempt=attempt, max_points=points) for each in ids}


def _check(metrics: Metrics, series: Sequence[str], operation: Operation, *, alone: bool) -> None:
    """Check that the chosen series are there; several operations need not all have them."""
    missing = [name for name in series if name not in metrics] if alone or not metrics else []
    if missing:
        known = sorted({each.name for each in operation.latest_metrics})
        hint = f"; it has {', '.join(known)}" if known else "; it has none yet"
        message = f"operation {operation.id} has no series {', '.join(missing)}{hint}"
        raise NotFound(message, reason="SERIES_NOT_FOUND")


def _print_table(printer: Printer, metrics: Metrics) -> None:
    rows = [_row(column) for column in metrics.values() if len(column)]
    printer.rows(_COLUMNS, rows, [], name="series")


def _row(column: MetricColumns) -> list[str | Text]:
    finite = [value for value in column.values if math.isfinite(value)]
    best = best_point(column)
    lowest = f"{number(column.values[best])} at {column.steps[best]}" if best is not None else "n/a"
    return [
        column.name,
        f"{len(column):,}",
        number(column.values[0]),
        number(column.values[-1]),
        lowest,
        number(max(finite)) if finite else "n/a",
        sparkline(column.values, 16),
    ]


def _print_records(printer: Printer, every: Sequence[Metrics]) -> None:
    points = (point for metrics in every for point in _points(metrics))
    if printer.format is OutputFormat.JSON:
        documents = [_json_document(metrics) for metrics in every]
        printer.json(documents[0] if len(documents) == 1 else {"operations": documents})
    elif printer.format is OutputFormat.CSV:
        write_csv(points)
    else:
        for point in points:
            printer.json(point)


def _json_document(metrics: Metrics) -> dict[str, Any]:
    columns = {name: _json_columns(column) for name, column in metrics.items()}
    return {"operation_id": metrics.operation_id, "attempt": metrics.attempt, "series": columns}


def _points(metrics: Metrics) -> Iterator[dict[str, Any]]:
    """Yield each point as a record, in the order in which they were written."""
    every = [
        (column.times_ns[index], column.seqs[index], column, index)
        for column in metrics.values()
        for index in range(len(column))
    ]
    for time_ns, seq, column, index in sorted(every, key=lambda each: (each[0], each[1], each[2].name)):
        yield {
            "operation_id": metrics.operation_id,
            "attempt": metrics.attempt,
            "series": column.name,
            "seq": seq,
            "step": column.steps[index],
            "time": time_words(time_ns),
            "value": json_number(column.values[index]),
        }


def _json_columns(column: MetricColumns) -> dict[str, Any]:
    return {
        "seqs": list(column.seqs),
        "steps": list(column.steps),
        "values": [json_number(value) for value in column.values],
        "times_ns": list(column.times_ns),
        "downsampled": column.downsampled,
    }
