"""`ktrdr strategy`: what can be done with a strategy without starting anything."""

from pathlib import Path
from typing import Annotated

import typer

from services.training_host.strategy.check import load_strategy
from services.training_host.strategy.fault import StrategyInvalid
from services.training_host.strategy.override import parse_assignments
from services.training_host.strategy.summary import summary

INVALID = 2
"""Exit code for a strategy that breaks the rules, or cannot be read."""

application = typer.Typer(help="Check strategies.", no_args_is_help=True, add_completion=False)


@application.callback()
def strategy() -> None:
    """Check strategies."""


@application.command()
def check(
    file: Annotated[Path, typer.Argument(help="YAML file of the strategy.")],
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key before checking; repeatable.")
    ] = None,
) -> None:
    """Check a strategy and tell every fault with its place; exit code 2 when there are any."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        typer.echo(f"{file} cannot be read: {reason}.", err=True)
        raise typer.Exit(INVALID) from None
    try:
        checked = load_strategy(text, parse_assignments(assignments or []))
    except StrategyInvalid as error:
        for fault in error.faults:
            place = f"{fault.line}:{fault.column}:" if fault.line is not None else ""
            typer.echo(f"{file}:{place} {fault.field + ': ' if fault.field else ''}{fault.description}", err=True)
        count = len(error.faults)
        typer.echo(f"{file} is invalid: {count} fault{'s' if count > 1 else ''}.", err=True)
        raise typer.Exit(INVALID) from None
    for line in summary(checked):
        typer.echo(line)


command = typer.main.get_command(application)
