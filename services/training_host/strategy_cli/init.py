"""`ktrdr strategy init`."""

import json
import re
import shlex
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated, Final

import typer

from services.training_host.strategy_cli.write import write_text


class Template(StrEnum):
    """What a new strategy begins with."""

    SINGLE = "single"
    """One symbol, one timeframe, a multi-layer perceptron."""
    SEVERAL = "several"
    """Several symbols and timeframes, a recurrent network."""
    WALK_FORWARD = "walk-forward"
    """Learns the return itself, and is tested on stretch after stretch."""


_PACKAGE: Final = "services.training_host.strategy.templates"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_TEMPLATE_NAME: Final = "name: my_strategy"


def template_text(template: Template, name: str = "") -> str:
    """Return the YAML of a template.

    Args:
        template: Which one.
        name: Name of the strategy, if it can be one; otherwise the template's.
    """
    text = resources.files(_PACKAGE).joinpath(f"{template.replace('-', '_')}.yaml").read_text("utf-8")
    return text.replace(_TEMPLATE_NAME, f"name: {json.dumps(name)}", 1) if _NAME.fullmatch(name) else text


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write; - prints it.")] = Path("strategy.yaml"),
    template: Annotated[
        Template,
        typer.Option(
            help="single: one symbol, a perceptron. several: symbols and timeframes, a recurrent network. "
            "walk-forward: learns returns, tested on stretch after stretch."
        ),
    ] = Template.SINGLE,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
) -> None:
    """Write a commented strategy to start from.

    It trains as it is on what "ktrdr up --gateway replay" offers.
    """
    if str(file) == "-":
        typer.echo(template_text(template), nl=False)
        return
    write_text(file, template_text(template, file.stem), replace=force)
    quoted = shlex.quote(str(file))
    typer.echo(f"{file} is written.\n  next: ktrdr strategy check {quoted}, then ktrdr train {quoted}", err=True)
