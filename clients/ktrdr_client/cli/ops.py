"""`ktrdr ops`: the operations that the registry knows."""

from datetime import timedelta
from typing import Annotated

import typer

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.command import command, parse_timeout
from ktrdr_client.cli.complete_operations import complete_operations
from ktrdr_client.cli.exit_codes import ExitCode
from ktrdr_client.cli.follow import choose_display, exit_code, follow
from ktrdr_client.cli.invocation import Invocation, OutputFormat, UsageProblem
from ktrdr_client.cli.named_operations import Ids, Name
from ktrdr_client.cli.ops_compare import compare
from ktrdr_client.cli.ops_delete import delete
from ktrdr_client.cli.ops_diagnose import diagnose
from ktrdr_client.cli.ops_label import label
from ktrdr_client.cli.ops_list import Filter, list_
from ktrdr_client.cli.ops_logs import parse_log_level, show_log
from ktrdr_client.cli.ops_metrics import show_metrics
from ktrdr_client.cli.ops_retry import retry
from ktrdr_client.cli.ops_table import detail_lines
from ktrdr_client.cli.ops_watch import watch_all, watch_named
from ktrdr_client.cli.printer import Printer
from ktrdr_client.cli.resolve import resolve
from ktrdr_client.cli.series_names import Series, chosen_series
from ktrdr_client.cli.summary import print_finished
from ktrdr_client.cli.words import title
from ktrdr_client.states import is_final, state_name

app = typer.Typer(add_completion=False, no_args_is_help=True, help="List, follow, wait for and cancel operations.")


command(app, "list")(list_)


@command(app, "get")
async def get(
    invocation: Invocation,
    ids: Ids = None,
    name: Name = None,
    max_staleness: Annotated[
        timedelta | None,
        typer.Option(parser=parse_timeout, metavar="TIME", help="Ask the host first if what is known is older."),
    ] = None,
) -> None:
    """Show all that is known of operations."""
    printer = Printer(invocation)
    async with AsyncClient(invocation.server) as client:
        operations = await resolve(client, ids or [], name=name)
        if max_staleness is not None:
            operations = [await client.get(each.id, max_staleness=max_staleness) for each in operations]
    if printer.format is not OutputFormat.TABLE:
        print_finished(printer, operations)
        return
    for index, operation in enumerate(operations):
        if index:
            printer.text("")
        for line in detail_lines(operation):
            printer.text(line)


@command(app, "wait")
async def wait(invocation: Invocation, ids: Ids = None, name: Name = None) -> ExitCode:
    """Wait until operations have ended; the exit code says how."""
    printer = Printer(invocation)
    async with AsyncClient(invocation.server) as client:
        operations = await resolve(client, ids or [], name=name)
        ended = await follow(client, operations, invocation, choose_display(printer, several=len(operations) > 1))
    print_finished(printer, ended)
    return exit_code(ended)


@command(app, "watch")
async def watch(
    invocation: Invocation,
    ids: Ids = None,
    name: Name = None,
    filter_: Filter = "",
    metrics: Annotated[bool, typer.Option("--metrics", help="Show every point of every metric.")] = False,
) -> ExitCode:
    """Follow operations as they change: those that are named to their end, or all of them until Ctrl-C."""
    printer = Printer(invocation)
    async with AsyncClient(invocation.server) as client:
        if not ids and name is None:
            await watch_all(client, invocation, printer, filter_text=filter_, metrics=metrics)
            return ExitCode.OK
        if filter_:
            message = "--filter is for watching all operations; leave out the ids"
            raise UsageProblem(message)
        operations = await resolve(client, ids or [], name=name)
        if printer.format is not OutputFormat.TABLE:
            return exit_code(await watch_named(client, printer, operations, metrics=metrics))
        display = choose_display(printer, several=len(operations) > 1)
        ended = await follow(client, operations, invocation, display)
    print_finished(printer, ended)
    return exit_code(ended)


@command(app, "metrics")
async def metrics(
    invocation: Invocation,
    ids: Ids = None,
    name: Name = None,
    series: Series = None,
    attempt: Annotated[int, typer.Option(min=0, help="0 is the latest.")] = 0,
    max_points: Annotated[int | None, typer.Option(min=0, help="Most points of each series; 0 for all.")] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw the curves.")] = False,
) -> None:
    """Show the metrics of operations: as a table, as data, or drawn."""
    async with AsyncClient(invocation.server) as client:
        operations = await resolve(client, ids or [], name=name)
        await show_metrics(
            client,
            Printer(invocation),
            operations,
            series=chosen_series(series),
            attempt=attempt,
            points=max_points,
            plot=plot,
        )


@command(app, "logs")
async def logs(
    invocation: Invocation,
    id_: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            help="Id, the beginning of one, or last.",
            show_default=False,
            autocompletion=complete_operations,
        ),
    ] = None,
    name: Name = None,
    follow_: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until it has ended.")] = False,
    level: Annotated[
        str,
        typer.Option(
            metavar="LEVEL", parser=parse_log_level, help="Least level: debug, info, warning, error, critical."
        ),
    ] = "",
    tail: Annotated[int, typer.Option(metavar="N", min=0, help="Begin that many lines before the end.")] = 0,
    attempt: Annotated[int, typer.Option(min=0, help="0 is the latest.")] = 0,
) -> None:
    """Show what the work of an operation has logged and printed; times are UTC."""
    async with AsyncClient(invocation.server) as client:
        (operation,) = await resolve(client, [id_] if id_ else [], name=name)
        await show_log(
            client,
            invocation,
            Printer(invocation),
            operation,
            follow=follow_,
            level=level,
            tail=tail,
            attempt=attempt,
        )


command(app, "compare")(compare)
command(app, "diagnose")(diagnose)
command(app, "retry")(retry)
command(app, "label")(label)
command(app, "delete")(delete)


@command(app, "cancel")
async def cancel(
    invocation: Invocation,
    ids: Ids = None,
    name: Name = None,
    reason: Annotated[str, typer.Option(help="Why, for people.")] = "",
    now: Annotated[bool, typer.Option("--now", help="Do not wait for the worker to stop by itself.")] = False,
) -> None:
    """Ask operations to stop."""
    printer = Printer(invocation)
    stopped = []
    async with AsyncClient(invocation.server) as client:
        for operation in await resolve(client, ids or [], name=name):
            was_final = is_final(operation)
            stopped.append(await client.cancel(operation.id, reason=reason, now=now))
            outcome = f"had ended already: {state_name(operation)}" if was_final else "is asked to stop"
            printer.message(f"{title(operation)} ({operation.id}) {outcome}")
    if printer.format is not OutputFormat.TABLE:
        print_finished(printer, stopped)
    elif any(not is_final(each) for each in stopped):
        printer.message(f"  wait for the end:  ktrdr ops wait {' '.join(each.id for each in stopped)}")
