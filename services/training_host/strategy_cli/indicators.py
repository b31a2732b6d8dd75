"""`ktrdr strategy indicators`."""

import sys
import textwrap
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from services.training_host.indicators.definition import INDICATOR_TYPES
from services.training_host.strategy.closest import suggestion
from services.training_host.strategy.schema import part_properties, summary_of
from services.training_host.strategy_cli.output import (
    OutputFormat,
    OutputOption,
    chosen_format,
    print_csv,
    print_json,
    print_records,
    table_lines,
    terminal_width,
)

UNKNOWN: Final = 2
"""Exit code for a type that is not there."""

_CSV: Final = ("type", "title", "inputs", "parameters", "outputs", "warm_up_bars", "description")
_WIDTH: Final = 110


def complete_types(incomplete: str) -> list[tuple[str, str]]:
    """Return the types that begin like this, with their titles, for completion in a shell."""
    return [(name, kind.title) for name, kind in INDICATOR_TYPES.items() if name.startswith(incomplete)]


def indicators(
    context: typer.Context,
    kind: Annotated[
        str | None, typer.Argument(metavar="TYPE", help="One of them, in detail.", autocompletion=complete_types)
    ] = None,
    output: OutputOption = None,
) -> None:
    """List the indicators, their parameters and outputs, or tell everything of one."""
    if kind is not None and kind not in INDICATOR_TYPES:
        hint = suggestion(kind, INDICATOR_TYPES)
        typer.echo(f'no indicator "{kind}"; see: ktrdr strategy indicators{hint}', err=True)
        raise typer.Exit(UNKNOWN)
    chosen = chosen_format(context, output)
    records = [indicator_record(name) for name in INDICATOR_TYPES if kind in (None, name)]
    if chosen is OutputFormat.CSV:
        print_csv(_CSV, [_flat(record) for record in records])
    elif chosen is OutputFormat.TABLE:
        for line in _list_lines(records) if kind is None else _detail_lines(records[0]):
            typer.echo(line)
    elif kind is None:
        print_records(chosen, "indicators", records)
    else:
        print_json(records[0], indent=2 if chosen is OutputFormat.JSON else None)


def indicator_record(name: str) -> dict[str, Any]:
    """Return everything about an indicator, as JSON values."""
    kind = INDICATOR_TYPES[name]
    return {
        "type": name,
        "title": kind.title,
        "description": summary_of(kind),
        "inputs": list(kind.inputs),
        "parameters": [_parameter(key, about) for key, about in part_properties(kind).items() if key != "type"],
        "outputs": [
            {"name": output, "description": text, "scale_free": output in kind.scale_free}
            for output, text in kind.output_descriptions.items()
        ],
        "warm_up_bars": kind.model_validate({"type": name}).warm_up_bars,
    }


def _parameter(name: str, about: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "default": about["default"],
        "allowed": _allowed(about),
        "description": about.get("description", ""),
    }


def _allowed(about: dict[str, Any]) -> str:
    """Return the values that a parameter may have, from its JSON Schema."""
    if "enum" in about:
        return ", ".join(str(value) for value in about["enum"])
    lowest = f"{about['minimum']:g}" if "minimum" in about else f"> {about.get('exclusiveMinimum', '-∞')}"
    highest = f"{about['maximum']:g}" if "maximum" in about else f"< {about.get('exclusiveMaximum', '∞')}"
    return f"{lowest} … {highest}"


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with its lists as text, for CSV."""
    return {
        **record,
        "inputs": " ".join(record["inputs"]),
        "parameters": _parameter_text(record),
        "outputs": " ".join(output["name"] for output in record["outputs"]),
    }


def _parameter_text(record: dict[str, Any]) -> str:
    return " ".join(f"{parameter['name']}={parameter['default']}" for parameter in record["parameters"])


def _list_lines(records: list[dict[str, Any]]) -> list[str]:
    rows = [
        (
            record["type"],
            record["title"],
            _parameter_text(record),
            " ".join(output["name"] + ("" if output["scale_free"] else "*") for output in record["outputs"]),
            " ".join(record["inputs"]),
            str(record["warm_up_bars"]),
        )
        for record in records
    ]
    titles = ("TYPE", "INDICATOR", "PARAMETERS", "OUTPUTS", "READS", "WARM-UP")
    shown, lines = _fitting(titles, rows, terminal_width(otherwise=sys.maxsize))
    notes = ["", "Warm-up, in bars, with the defaults. One in detail: ktrdr strategy indicators TYPE"]
    if "OUTPUTS" in shown:
        notes.insert(
            1, "* depends on the level of prices or volumes: breakpoints of fuzzy sets would not keep their meaning."
        )
    return [*lines, *notes]


def _fitting(titles: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> tuple[list[str], list[str]]:
    """Return the columns that a terminal has a place for, and the lines of a table with them."""
    shown, lines = list(titles), table_lines(titles, rows)
    for narrow in ("READS", "PARAMETERS", "OUTPUTS"):
        if max(map(len, lines)) <= width:
            break
        shown.remove(narrow)
        kept = [titles.index(title) for title in shown]
        lines = table_lines(shown, [[row[index] for index in kept] for row in rows])
    return shown, lines


def _detail_lines(record: dict[str, Any]) -> list[str]:
    name = record["type"]
    several = len(record["outputs"]) > 1
    parameters = [
        (each["name"], str(each["default"]), each["allowed"], each["description"]) for each in record["parameters"]
    ]
    outputs = [
        (
            f"my_{name}.{output['name']}" if several else f"my_{name}",
            output["description"],
            "yes" if output["scale_free"] else "no",
        )
        for output in record["outputs"]
    ]
    values = "".join(f", {each['name']}: {each['default']}" for each in record["parameters"])
    return [
        f"{name}: {record['title']}",
        *(f"  {line}" for line in textwrap.wrap(record["description"].replace("\n\n", " "), _WIDTH)),
        "",
        f"  reads    {', '.join(record['inputs'])}",
        f"  warm-up  {record['warm_up_bars']} bars with the defaults",
        f"  write    my_{name}: {{type: {name}{values}}}",
        "",
        *(table_lines(("PARAMETER", "DEFAULT", "ALLOWED", "MEANING"), parameters) if parameters else ["no parameters"]),
        "",
        *table_lines(("OUTPUT", "MEANING", "SCALE-FREE"), outputs),
    ]
