"""Numbers and tables as Markdown."""

import re
from collections.abc import Sequence
from typing import Final

_NUMBER: Final = re.compile(r"[-+]?[\d,.]*( %)?$")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table; columns of numbers lean to the right."""
    columns = zip(*rows, strict=True)
    rules = ["---:" if all(_NUMBER.match(cell) for cell in column) else "---" for column in columns]
    lines = [header, rules, *rows]
    return ["| " + " | ".join(line) + " |" for line in lines] + [""]


def percent(share: float | None) -> str:
    """Return a share or a return as percentage, "38.2 %"; "-" where there is none."""
    return "-" if share is None else f"{100 * share:.1f} %"


def number(value: float | None) -> str:
    """Return a number to two digits behind the point, or "-" where there is none."""
    return "-" if value is None else f"{value:.2f}"
