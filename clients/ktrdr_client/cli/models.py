"""`ktrdr models`: trained models."""

import typer

from ktrdr_client.cli.command import command
from ktrdr_client.cli.models_download import download
from ktrdr_client.cli.models_get import get
from ktrdr_client.cli.models_list import list_

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="List trained models, show their cards, download their files."
)

command(app, "list")(list_)
command(app, "get")(get)
command(app, "download")(download)
