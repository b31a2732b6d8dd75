"""`ktrdr ops compare`: several operations side by side."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer
from ktrdr.operations.v1.operations_pb2 import Operation
from rich.text import Text

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.invocation import Invocation, OutputFormat, UsageProblem
from ktrdr_client.cli.named_operations import Ids
from ktrdr_client.cli.printer import Printer
from ktrdr_client.cli.resolve import resolve
from ktrdr_client.cli.run_figures import RunFigures, best_run, figures
from ktrdr_client.cli.series_names import Series, chosen_series
from ktrdr_client.cli.strategy_keys import spec_keys
from ktrdr_client.cli.tables import Column
from ktrdr_client.cli.words import number, run_time, state_text, title
from ktrdr_client.errors import NotFound
from ktrdr_client.metrics import Metrics
from ktrdr_client.times import duration_text

_USUAL: Final = ("val_loss", "val_accuracy", "train_loss", "loss", "rows")
_POINTS: Final = 500
_TITLE_WIDTH: Final = 16


async def compare(
    invocation: Invocation,
    ids: Ids = None,
    series: Series = None,
    diff_spec: Annotated[
        bool, typer.Option("--diff-spec", help="Show in what they were asked for differently.")
    ] = False,
    plot: Annotated[bool, typer.Option("--plot", help="Draw their curves in one picture.")] = False,
) -> None:
    """Compare operations: figures, the best of each series marked; differences between their specs; curves."""
    printer = Printer(invocation)
    async with AsyncClient(invocation.server) as client:
        operations = await resolve(client, ids or [])
        if len(operations) < 2:
            message = "name two operations or more: ktrdr ops compare ID ID"
            raise UsageProblem(message)
        names = [each.id for each in operations]
        found = await client.compare_metrics(names, series=chosen_series(series), max_points=_POINTS)
    shown = _shown_series(found, chosen_series(series))
    runs = [figures(operation, found[operation.id], shown) for operation in operations]
    differences = spec_differences(operations) if diff_spec else {}
    if printer.format is OutputFormat.TABLE:
        _print(printer, runs, shown, differences if diff_spec else None)
        if plot:
            _plot(printer, operations, found, shown)
    else:
        records = [_record(run, differences, whole=printer.format is OutputFormat.JSON) for run in runs]
        extra: dict[str, Any] = {"differences": differences} if diff_spec else {}
        printer.rows([], [], records, name="operations", **extra)


def spec_differences(operations: Sequence[Operation]) -> dict[str, dict[str, str]]:
    """Return each key that operations were asked for with different values, with the value of each by id.

    Raises:
        MissingLibrary: The library that reads YAML is not installed.
    """
    specs = {operation.id: spec_keys(operation) for operation in operations}
    every = dict.fromkeys(key for keys in specs.values() for key in keys)
    rows = {key: {name: keys.get(key, "") for name, keys in specs.items()} for key in every}
    return {key: values for key, values in rows.items() if len(set(values.values())) > 1}


def _shown_series(found: Mapping[str, Metrics], chosen: Sequence[str]) -> list[str]:
    known = dict.fromkeys(name for metrics in found.values() for name in metrics)
    if missing := [name for name in chosen if name not in known]:
        message = f"none of them has a series {', '.join(missing)}\n  see: ktrdr ops metrics {' '.join(found)}"
        raise NotFound(message, reason="SERIES_NOT_FOUND")
    usual = [name for name in known if name in _USUAL]
    return list(chosen) or sorted(usual, key=_USUAL.index)[:1] or list(known)[:1]


def _record(run: RunFigures, differences: Mapping[str, Mapping[str, str]], *, whole: bool) -> dict[str, Any]:
    """Return a run as a record; outside of one JSON document it carries its own side of the differences."""
    record = run.record()
    if differences and not whole:
        record["spec"] = {key: values[run.operation.id] for key, values in differences.items()}
    return record


def _print(
    printer: Printer,
    runs: Sequence[RunFigures],
    series: Sequence[str],
    differences: Mapping[str, Mapping[str, str]] | None,
) -> None:
    _print_runs(printer, runs)
    if series:
        printer.text("")
        _print_series(printer, runs, series)
    if differences is None:
        return
    printer.text("")
    if not differences:
        printer.text("they were asked for with the same spec")
        return
    heads = [Column("KEY"), *(Column(_head(run.operation), flexible=True) for run in runs)]
    printer.rows(heads, [[key, *values.values()] for key, values in differences.items()], [], name="differences")


def _print_runs(printer: Printer, runs: Sequence[RunFigures]) -> None:
    columns = [Column("ID"), Column("NAME", flexible=True), Column("STATE"), Column("TIME", align="right")]
    rows: list[list[str | Text]] = []
    for run in runs:
        duration = run_time(run.operation)
        time = "" if duration is None else duration_text(duration)
        rows.append([run.operation.id, title(run.operation), state_text(run.operation), time])
    if any(run.test_accuracy is not None for run in runs):
        columns.append(Column("TEST ACC", align="right"))
        for row, run in zip(rows, runs, strict=True):
            row.append(run.accuracy_words)
    if any(run.warnings for run in runs):
        columns.append(Column("VERDICTS", flexible=True))
        for row, run in zip(rows, runs, strict=True):
            row.append(", ".join(run.warnings))
    printer.rows(columns, rows, [], name="operations")


def _print_series(printer: Printer, runs: Sequence[RunFigures], series: Sequence[str]) -> None:
    columns = [Column("ID")]
    for name in series:
        columns += [Column(f"BEST {name.upper()}", align="right"), Column("LAST", align="right")]
    rows: list[list[str | Text]] = [[run.operation.id] for run in runs]
    for name in series:
        best_of_all = best_run(runs, name)
        for row, run in zip(rows, runs, strict=True):
            row.extend(_figures(run, name, is_best=run is best_of_all))
    printer.rows(columns, rows, [], name="series")


def _figures(run: RunFigures, series: str, *, is_best: bool) -> list[str | Text]:
    each = run.series.get(series)
    if each is None:
        return ["", ""]
    best = "n/a" if each.best is None else f"{number(each.best)} at {each.best_step}"
    return [Text(f"* {best}" if is_best else best, style="bold green" if is_best else ""), number(each.last)]


def _head(operation: Operation) -> str:
    words = title(operation)
    return words if len(words) <= _TITLE_WIDTH else operation.id


def _plot(
    printer: Printer, operations: Sequence[Operation], found: Mapping[str, Metrics], series: Sequence[str]
) -> None:
    from ktrdr_client.cli.plot import Curve, print_picture

    names = [_head(operation) for operation in operations]
    for name in series:
        curves = [
            Curve(label if names.count(label) == 1 else operation.id, found[operation.id][name])
            for operation, label in zip(operations, names, strict=True)
            if name in found[operation.id]
        ]
        print_picture(printer, name, curves)
