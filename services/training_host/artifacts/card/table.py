"""Numbers and tables as Markdown."""

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table; all columns but the first are numbers and lean to the right."""
    lines = [header, ["---", *("---:" for _ in header[1:])], *rows]
    return ["| " + " | ".join(line) + " |" for line in lines] + [""]


def percent(share: float | None) -> str:
    """Return a share or a return as percentage, "38.2 %"; "-" where there is none."""
    return "-" if share is None else f"{100 * share:.1f} %"


def number(value: float | None) -> str:
    """Return a number to two digits behind the point, or "-" where there is none."""
    return "-" if value is None else f"{value:.2f}"
