"""The command as it is found."""

import typer

from ktrdr_client.cli.command import command
from ktrdr_client.cli.doctor.examine import doctor

app = typer.Typer(add_completion=False)
command(app, "doctor")(doctor)
