"""Lay out tables: as wide as their content, and cut only where a terminal is too narrow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text

_GAP: Final = 2
_NARROWEST: Final = 12
"""A flexible column is not cut below this."""


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    title: str
    align: str = "left"
    flexible: bool = False
    """It may be cut where the terminal is too narrow; the widest one is cut first."""


def table_lines(columns: Sequence[Column], rows: Sequence[Sequence[str | Text]], width: int | None) -> list[Text]:
    """Return the lines of a table, the titles first.

    Args:
        columns: The columns.
        rows: Their cells.
        width: Columns of the terminal; None where nothing may be cut.
    """
    titles = [Text(column.title, style="bold") for column in columns]
    cells = [titles, *([Text(cell) if isinstance(cell, str) else cell.copy() for cell in row] for row in rows)]
    widths = [max(row[index].cell_len for row in cells) for index in range(len(columns))]
    if width is not None:
        widths = _fitting(columns, widths, width)
    return [_line(columns, row, widths) for row in cells]


def _fitting(columns: Sequence[Column], widths: Sequence[int], width: int) -> list[int]:
    fitting = list(widths)
    for _ in range(sum(fitting) + _GAP * (len(fitting) - 1) - width):
        flexible = [index for index, column in enumerate(columns) if column.flexible and fitting[index] > _NARROWEST]
        if not flexible:
            break
        fitting[max(flexible, key=lambda index: (fitting[index], index))] -= 1
    return fitting


def _line(columns: Sequence[Column], row: Sequence[Text], widths: Sequence[int]) -> Text:
    line = Text()
    for index, (column, cell, width) in enumerate(zip(columns, row, widths, strict=True)):
        cell.truncate(width, overflow="ellipsis")
        padding = " " * (width - cell.cell_len)
        last = index == len(columns) - 1
        line.append_text(Text.assemble(padding, cell) if column.align == "right" else Text.assemble(cell, padding))
        line.append("" if last else " " * _GAP)
    line.rstrip()
    return line
