"""`ktrdr ops label`: labels, notes and names of operations."""

import sys
from collections.abc import Mapping
from typing import Annotated

import typer

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.invocation import Invocation, OutputFormat, UsageProblem
from ktrdr_client.cli.named_operations import Ids, Name
from ktrdr_client.cli.pairs import parse_pairs
from ktrdr_client.cli.printer import Printer
from ktrdr_client.cli.resolve import resolve
from ktrdr_client.cli.summary import print_finished
from ktrdr_client.cli.words import title


async def label(
    invocation: Invocation,
    ids: Ids = None,
    name: Name = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a label; may be repeated.")
    ] = None,
    remove: Annotated[list[str] | None, typer.Option(metavar="KEY", help="Remove a label; may be repeated.")] = None,
    notes: Annotated[
        str | None, typer.Option(metavar="TEXT", help='Keep notes; "" removes them, - reads them from stdin.')
    ] = None,
    rename: Annotated[str | None, typer.Option(metavar="NAME", help='Give another name; "" removes it.')] = None,
) -> None:
    """Change labels, notes or the name of operations, at work or ended."""
    labels, removed = parse_pairs(set_ or [], "--set"), remove or []
    if not (labels or removed) and notes is None and rename is None:
        message = "nothing to change; give --set KEY=VALUE, --remove KEY, --notes TEXT or --rename NAME"
        raise UsageProblem(message)
    text = sys.stdin.read() if notes == "-" else notes
    printer = Printer(invocation)
    changed = []
    async with AsyncClient(invocation.server) as client:
        for operation in await resolve(client, ids or [], name=name):
            told = await client.update(operation.id, set_labels=labels, remove_labels=removed, notes=text, name=rename)
            changed.append(told)
            printer.message(f"{title(told)} ({told.id}) {_labels(told.labels)}")
    if printer.format is not OutputFormat.TABLE:
        print_finished(printer, changed)


def _labels(labels: Mapping[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in sorted(labels.items())) or "has no labels"
