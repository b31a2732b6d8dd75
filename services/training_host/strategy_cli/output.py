"""How the commands print what they found."""

import csv
import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer


class OutputFormat(StrEnum):
    """How data is printed; the formats of `ktrdr` itself."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


OutputOption = Annotated[OutputFormat | None, typer.Option("--output", "-o", help="How data is printed.")]
"""The global option, where it is written behind the command."""


def chosen_format(context: typer.Context, behind: OutputFormat | None) -> OutputFormat:
    """Return the format that was asked for.

    Args:
        context: Of the command. Its object is that of `ktrdr`, which keeps the global flags that were written before
            the command in `flags`; nothing, where the commands run by themselves.
        behind: The option behind the command, which wins.
    """
    before = getattr(getattr(context.obj, "flags", None), "output", None)
    return behind or OutputFormat(before or OutputFormat.TABLE)


def terminal_width(otherwise: int) -> int:
    """Return the columns of the terminal; `otherwise`, where data does not go to one."""
    return shutil.get_terminal_size((otherwise, 24)).columns if sys.stdout.isatty() else otherwise


def print_json(values: Any, *, indent: int | None = 2) -> None:
    """Print one value as JSON."""
    typer.echo(json.dumps(values, indent=indent, ensure_ascii=False))


def print_records(chosen: OutputFormat, name: str, records: Sequence[Mapping[str, Any]]) -> None:
    """Print records as JSON, in one list with a name, or as one line of JSON each."""
    if chosen is OutputFormat.JSON:
        print_json({name: list(records)})
    else:
        for record in records:
            print_json(record, indent=None)


def print_csv(columns: Sequence[str], records: Iterable[Mapping[str, Any]]) -> None:
    """Print records as CSV; the titles are there also without records."""
    writer = csv.DictWriter(sys.stdout, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    sys.stdout.flush()


def table_lines(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table, as wide as its content, the titles first."""
    cells = [titles, *rows]
    widths = [max(len(row[index]) for row in cells) for index in range(len(titles))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
