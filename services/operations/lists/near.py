"""Which hosts a page in the order of hosts can come from: there may be thousands."""

import sqlite3
from collections.abc import Iterable

from services.operations.filters import Expression
from services.operations.filters.expression import Field
from services.operations.lists.knowledge import comparisons
from services.operations.lists.order import Order, OrderField, Place
from services.operations.lists.totals import Cell, JudgedCell, judged_cells, read_cells


def cells_near(
    connection: sqlite3.Connection,
    cells: list[JudgedCell],
    expression: Expression,
    order: Order,
    after: Place | None,
    limit: int,
) -> list[JudgedCell]:
    """Return cells of single hosts that a page comes from; all, where it is not certain which.

    Args:
        connection: To the store.
        cells: Those of all hosts together.
        expression: What is wanted.
        order: By host, among other things.
        after: Where the page begins.
        limit: How many operations it has.
    """
    first = order.cells[0]
    names_hosts = any(one.field is Field.HOST for one in comparisons(expression))
    if first.field is not OrderField.HOST or names_hosts or any(one.outcome is None for one in cells):
        every = judged_cells(read_cells(connection, expression, every_host=True), expression)
        return every if any(one.outcome is None for one in every) else _nearest(every, order, after, limit)
    wanted = {(one.cell.state, one.cell.type) for one in cells if one.outcome}
    beyond = "" if after is None else f"AND host {'<=' if first.descending else '>='} ?"
    rows = connection.execute(
        f"SELECT state, type, host, operations FROM totals WHERE operations > 0 {beyond} "
        f"ORDER BY host {'DESC' if first.descending else ''}",
        () if after is None else (after[0],),
    )
    return _nearest(_from_hosts(rows, wanted, after, limit), order, after, limit)


def _from_hosts(
    rows: Iterable[tuple[int, int, str, int]], wanted: set[tuple[int, int]], after: Place | None, limit: int
) -> list[JudgedCell]:
    """Return the wanted cells of the first hosts, until these have enough."""
    found: list[JudgedCell] = []
    operations = 0
    last = ""
    for state, kind, host, count in rows:
        if operations >= limit and host != last:
            break
        last = host
        if (state, kind) in wanted:
            found.append(JudgedCell(Cell(state, kind, host, count), outcome=True))
            operations += count if after is None or host != after[0] else 0
    return found


def _nearest(cells: list[JudgedCell], order: Order, after: Place | None, limit: int) -> list[JudgedCell]:
    leading = Order(order.cells)
    columns = [key.column for key in leading.keys]
    placed = [
        (leading.sort_key(tuple(getattr(one.cell, column) for column in columns)), one) for one in cells if one.outcome
    ]
    start = None if after is None else leading.sort_key(after[: len(columns)])
    found: list[JudgedCell] = []
    enough: tuple[object, ...] | None = None
    rows = 0
    for place, one in sorted(placed, key=lambda each: each[0]):
        if (start is not None and place < start) or (enough is not None and place != enough):
            continue
        found.append(one)
        rows += one.cell.operations if place != start else 0
        if rows >= limit and enough is None:
            enough = place
    return found
