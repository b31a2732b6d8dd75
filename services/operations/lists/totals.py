"""How many operations have ended, by state, type and host, and by label and verdict."""

import sqlite3
from dataclasses import dataclass
from typing import Final, NamedTuple

from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.filters import Expression, matches
from services.operations.filters.expression import Comparison, Field, Not, Operator
from services.operations.lists.knowledge import comparisons, outcome

_FIELDS: Final = frozenset({Field.STATE, Field.TYPE, Field.HOST})
_PAIR_FIELDS: Final = frozenset({Field.STATE, Field.TYPE})


class Cell(NamedTuple):
    """Ended operations with the same state, type and host; without a host: those of all hosts that have no cell."""

    state: int
    type: int
    host: str | None
    operations: int


class Pair(NamedTuple):
    """State and type of operations."""

    state: int
    type: int


@dataclass(frozen=True)
class JudgedCell:
    """A cell, and whether all of its operations match a filter (True), none (False), or that depends (None)."""

    cell: Cell
    outcome: bool | None


def read_cells(connection: sqlite3.Connection, expression: Expression, *, every_host: bool = False) -> list[Cell]:
    """Return all cells that are not empty.

    Args:
        connection: To the store.
        expression: Only hosts that it names have cells of their own.
        every_host: Every host has.
    """
    named = [one for one in comparisons(expression) if one.field is Field.HOST]
    if every_host or any(one.operator is not Operator.EQUAL for one in named):
        rows = connection.execute("SELECT state, type, host, operations FROM totals WHERE operations > 0")
        return [Cell(*row) for row in rows]
    hosts = sorted({str(one.value) for one in named})
    own = f"CASE WHEN host IN ({', '.join('?' * len(hosts))}) THEN host END" if hosts else "NULL"
    rows = connection.execute(
        f"SELECT state, type, {own}, sum(operations) FROM totals WHERE operations > 0 GROUP BY 1, 2, 3", hosts
    )
    return [Cell(*row) for row in rows]


def judged_cells(cells: list[Cell], expression: Expression) -> list[JudgedCell]:
    """Return what `expression` says of each cell."""
    found: list[JudgedCell] = []
    by_pair: dict[Pair, bool | None] = {}
    for cell in cells:
        pair = Pair(cell.state, cell.type)
        if pair not in by_pair:
            by_pair[pair] = outcome(expression, _Knowledge(cell, _PAIR_FIELDS))
        result = by_pair[pair]
        found.append(JudgedCell(cell, outcome(expression, _Knowledge(cell, _FIELDS)) if result is None else result))
    return found


class _Knowledge:
    """What is known of a comparison for the operations of a cell, by some of the fields of the cell."""

    def __init__(self, cell: Cell, fields: frozenset[Field]) -> None:
        self._cell = cell
        self._fields = fields

    def __call__(self, comparison: Comparison) -> bool | None:
        if comparison.field not in self._fields:
            return None
        if comparison.operator is Operator.EQUAL:
            return bool(getattr(self._cell, comparison.field.value) == comparison.value)
        cell = self._cell
        if cell.host is None and comparison.field is Field.HOST:
            return None
        record = pb.Operation(host=cell.host, state=cell.state, type=cell.type)  # type: ignore[arg-type]  # numbers of enums
        return matches(comparison, record)


def term_of(expression: Expression) -> tuple[str, str] | None:
    """Return field and value in the table of terms that say the same as `expression`, if it is such a comparison."""
    if not isinstance(expression, Comparison) or expression.operator is not Operator.EQUAL:
        return None
    if expression.field is Field.VERDICT:
        return "verdict", str(expression.value)
    if expression.field is Field.LABEL and expression.value:  # the empty text is also that of those without the label
        return f"labels.{expression.key}", str(expression.value)
    return None


def term_total(connection: sqlite3.Connection, field: str, value: str) -> int:
    """Return how many ended operations have a label or a verdict."""
    query = "SELECT operations FROM term_totals WHERE field = ? AND value = ?"
    row = connection.execute(query, (field, value)).fetchone()
    return row[0] if row else 0


def exact_total(connection: sqlite3.Connection, cells: list[JudgedCell], expression: Expression) -> int | None:
    """Return how many ended operations match, if it can be told without looking at them."""
    if all(one.outcome is not None for one in cells):
        return sum(one.cell.operations for one in cells if one.outcome)
    everything = sum(one.cell.operations for one in cells)
    if isinstance(expression, Not):
        inner = _terms_total(connection, expression.part)
        return None if inner is None else everything - inner
    return _terms_total(connection, expression)


def _terms_total(connection: sqlite3.Connection, expression: Expression) -> int | None:
    if term := term_of(expression):
        return term_total(connection, *term)
    if (
        isinstance(expression, Comparison)
        and expression.field is Field.LABEL
        and expression.operator is Operator.PRESENT
    ):
        query = "SELECT coalesce(sum(operations), 0) FROM term_totals WHERE field = ?"
        total: int = connection.execute(query, (f"labels.{expression.key}",)).fetchone()[0]
        return total
    return None
