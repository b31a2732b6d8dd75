"""The arguments of commands about operations."""

from typing import Annotated

import typer

from ktrdr_client.cli.complete_operations import complete_operations

Ids = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="ID",
        help="Id, the beginning of one, or last.",
        show_default=False,
        autocompletion=complete_operations,
    ),
]
Name = Annotated[str | None, typer.Option(help="The operation of this name.")]
