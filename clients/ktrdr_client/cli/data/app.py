"""The group of the commands of `ktrdr data`."""

import typer

from ktrdr_client.cli.command import command
from ktrdr_client.cli.data.check import check
from ktrdr_client.cli.data.export import export
from ktrdr_client.cli.data.find import find
from ktrdr_client.cli.data.gaps import gaps
from ktrdr_client.cli.data.import_file import import_
from ktrdr_client.cli.data.list import list_
from ktrdr_client.cli.data.load import load
from ktrdr_client.cli.data.show import show

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Load market data, check it, and bring it in and out of files."
)

command(app, "load")(load)
command(app, "find")(find)
command(app, "list")(list_)
command(app, "show")(show)
command(app, "check")(check)
command(app, "gaps")(gaps)
command(app, "export")(export)
command(app, "import")(import_)
