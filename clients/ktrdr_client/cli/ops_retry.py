"""`ktrdr ops retry`: one attempt more."""

from typing import Annotated

import typer

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.complete_operations import complete_operations
from ktrdr_client.cli.exit_codes import ExitCode
from ktrdr_client.cli.invocation import Invocation
from ktrdr_client.cli.named_operations import Name
from ktrdr_client.cli.pairs import parse_pairs
from ktrdr_client.cli.printer import Printer
from ktrdr_client.cli.resolve import resolve
from ktrdr_client.cli.start import finish_or_detach, note_request
from ktrdr_client.cli.words import title


async def retry(
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
    *,
    from_checkpoint: Annotated[
        bool, typer.Option("--from-checkpoint", help="Go on from the last checkpoint, on the host that has it.")
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the strategy: training.epochs=20."),
    ] = None,
    host: Annotated[str, typer.Option(help="Host to run on; the same again if it can.")] = "",
    wait: Annotated[bool, typer.Option("--wait/--detach", help="Follow it to its end, or only start it.")] = True,
) -> ExitCode:
    """Try an operation again that has ended: the same one, with one attempt more."""
    overrides = parse_pairs(set_ or [], "--set")
    printer = Printer(invocation)
    async with AsyncClient(invocation.server) as client:
        (ended,) = await resolve(client, [id_] if id_ else [], name=name)
        note_request(invocation, f"ktrdr ops get {ended.id}")
        operation = await client.retry(ended.id, from_checkpoint=from_checkpoint, overrides=overrides, host=host)
        printer.message(f"{title(operation)} ({operation.id}): attempt {operation.attempt}")
        return await finish_or_detach(client, operation, invocation, printer, wait=wait)
