"""`ktrdr strategy check`."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from services.training_host.strategy.check import load_strategy
from services.training_host.strategy.fault import Fault, StrategyInvalid
from services.training_host.strategy.override import parse_assignments
from services.training_host.strategy.strategy import Strategy
from services.training_host.strategy_cli.output import (
    OutputFormat,
    OutputOption,
    chosen_format,
    print_csv,
    print_records,
    terminal_width,
)
from services.training_host.strategy_cli.summary import summary, summary_lines

INVALID = 2
"""Exit code for a strategy that breaks the rules, or cannot be read."""


@dataclass(frozen=True)
class CheckedFile:
    """What came of one file.

    Attributes:
        file: Its path.
        strategy: The strategy; None if there are faults.
        faults: What is wrong, in the order of the text.
    """

    file: Path
    strategy: Strategy | None
    faults: Sequence[Fault] = ()

    def record(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "file": str(self.file),
            "valid": self.strategy is not None,
            "faults": [asdict(fault) for fault in self.faults],
            "summary": summary(self.strategy) if self.strategy is not None else None,
        }


def check(
    context: typer.Context,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="YAML files of strategies; - reads one from stdin.")
    ],
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key before checking; repeatable.")
    ] = None,
    output: OutputOption = None,
) -> None:
    """Check strategies: tell what will be trained, or every fault with its place.

    The exit code is 2 when there is a fault.
    """
    checked = [_check(file, assignments or []) for file in files]
    chosen = chosen_format(context, output)
    if chosen is OutputFormat.TABLE:
        for each in checked:
            _print(each)
    elif chosen is OutputFormat.CSV:
        faults = [{"file": str(each.file), **asdict(fault)} for each in checked for fault in each.faults]
        print_csv(("file", "line", "column", "field", "description"), faults)
    else:
        print_records(chosen, "strategies", [each.record() for each in checked])
    if any(each.strategy is None for each in checked):
        raise typer.Exit(INVALID)


def _check(file: Path, assignments: Sequence[str]) -> CheckedFile:
    try:
        overrides: Mapping[str, str] = parse_assignments(assignments)
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        return CheckedFile(file, load_strategy(text, overrides))
    except StrategyInvalid as error:
        return CheckedFile(file, None, error.faults)
    except UnicodeDecodeError:
        return CheckedFile(file, None, [Fault("", "cannot be read: it is not UTF-8 text")])
    except OSError as error:
        return CheckedFile(file, None, [Fault("", f"cannot be read: {error.strerror}")])


def _print(checked: CheckedFile) -> None:
    if checked.strategy is not None:
        typer.echo(f"{checked.file} is valid: {checked.strategy.name}")
        for line in summary_lines(checked.strategy, terminal_width(otherwise=100)):
            typer.echo(line)
        return
    for fault in checked.faults:
        place = f"{fault.line}:{fault.column}:" if fault.line is not None else ""
        field = f"{fault.field}: " if fault.field else ""
        typer.echo(f"{checked.file}:{place} {field}{fault.description}", err=True)
    count = len(checked.faults)
    typer.echo(f"{checked.file} is invalid: {count} fault{'s' if count > 1 else ''}.", err=True)
