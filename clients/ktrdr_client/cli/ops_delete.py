"""`ktrdr ops delete`: remove operations for good."""

import sys
from typing import Annotated

import typer
from ktrdr.operations.v1.operations_pb2 import Operation

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.invocation import Invocation, OutputFormat, UsageProblem
from ktrdr_client.cli.named_operations import Ids, Name
from ktrdr_client.cli.printer import Printer
from ktrdr_client.cli.resolve import resolve
from ktrdr_client.cli.words import title
from ktrdr_client.states import state_name


async def delete(
    invocation: Invocation,
    ids: Ids = None,
    name: Name = None,
    keep_sessions: Annotated[
        bool, typer.Option("--keep-sessions", help="Leave journals, logs and models on the hosts.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove operations that have ended: their history, and on the hosts their journals, logs and models."""
    printer = Printer(invocation)
    deleted = []
    async with AsyncClient(invocation.server) as client:
        operations = await resolve(client, ids or [], name=name)
        if not yes:
            _ask(printer, operations, keep_sessions=keep_sessions)
        for operation in operations:
            await client.delete(operation.id, keep_sessions=keep_sessions)
            deleted.append({"id": operation.id, "display_name": operation.display_name})
            printer.message(f"{title(operation)} ({operation.id}) is deleted")
    if printer.format is not OutputFormat.TABLE:
        printer.rows([], [], deleted, name="deleted")


def _ask(printer: Printer, operations: list[Operation], *, keep_sessions: bool) -> None:
    """Ask whether it is meant so.

    Raises:
        UsageProblem: There is nobody to ask.
        typer.Abort: It is not.
    """
    if not sys.stdin.isatty():
        message = "this cannot be undone; say --yes where nobody can be asked"
        raise UsageProblem(message)
    for operation in operations:
        printer.err.print(f"  {operation.id}  {state_name(operation)}  {title(operation)}", markup=False)
    what = "Remove them from the registry" if keep_sessions else "Remove them, with their models and logs"
    typer.confirm(f"{what}? This cannot be undone.", abort=True, err=True)
