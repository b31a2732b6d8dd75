"""Ways to reach the operations that a filter may want: each a few streams, with how many rows they have."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from services.operations.filters.expression import AnyOf, Comparison, Expression, Field, Operator
from services.operations.filters.selection import Condition, condition_of
from services.operations.lists.knowledge import necessary, outcome
from services.operations.lists.order import Order, OrderField
from services.operations.lists.streams import WALKED, Bound, Stream, bounded, combined
from services.operations.lists.totals import JudgedCell, Pair, term_of, term_total

_MOST_STREAMS: Final = 24
COUNTED: Final = 20_000
"""Where rows have to be counted, it is known that there are more than these, and not how many."""

_TIMES: Final = {
    Field.CREATE_TIME: OrderField.CREATE_TIME,
    Field.START_TIME: OrderField.START_TIME,
    Field.END_TIME: OrderField.END_TIME,
    Field.UPDATE_TIME: OrderField.UPDATE_TIME,
}
_NAMES: Final = {Field.DISPLAY_NAME: "ended_by_name", Field.STRATEGY: "ended_by_strategy"}
EVERY_ROW: Final = Condition("1")
_LAST_CHARACTER: Final = 0x10FFFF
_SURROGATES: Final = range(0xD800, 0xE000)


@dataclass(frozen=True)
class Access:
    """A way to reach operations.

    Attributes:
        streams: Their parts; no operation is in two of them.
        rows: How many rows they have, those that are not wanted included.
        walkable: Each stream can be read in the wanted order.
    """

    streams: tuple[Stream, ...]
    rows: int
    walkable: bool

    @property
    def exact(self) -> bool:
        """Every row is wanted."""
        return all(stream.residual is None for stream in self.streams)


def ways(
    connection: sqlite3.Connection, expression: Expression, order: Order, cells: list[JudgedCell]
) -> Iterator[Access]:
    """Yield the ways to reach all operations that match.

    Args:
        connection: To the store.
        expression: What is wanted.
        order: In which order.
        cells: Those that `expression` does not rule out.
    """
    wanted = [one for one in cells if one.outcome is not False]
    if any(key.field is OrderField.HOST for key in order.cells):
        yield _by_host(expression, order, wanted)
        yield _by_kind(expression, order, cells)
    else:
        yield _by_kind(expression, order, cells)
        if len(wanted) <= _MOST_STREAMS and all(one.cell.host is not None for one in wanted):
            yield _by_host(expression, order, wanted)
    for part in necessary(expression):
        yield from _by_term(connection, expression, order, part)
        if isinstance(part, Comparison):
            yield from _by_comparison(connection, expression, order, part)


def _by_kind(expression: Expression, order: Order, cells: list[JudgedCell]) -> Access:
    walk = order.walk
    if walk in {OrderField.DISPLAY_NAME, OrderField.STRATEGY}:
        certain = all(one.outcome for one in cells)
        stream = _indexed(WALKED[walk], EVERY_ROW, None if certain else expression)
        return Access((stream,), _sum(cells), walkable=True)
    index = WALKED[walk] if walk else WALKED[OrderField.CREATE_TIME]
    bounds = _bounds(expression, walk)
    streams, rows = [], 0
    for pair, group in groupby(sorted(cells, key=_pair_of), key=_pair_of):
        members = list(group)
        if all(one.outcome is False for one in members):
            continue
        rows += _sum(members)
        condition = Condition("operations.state = ? AND operations.type = ?", pair)
        exact = all(one.outcome for one in members) or _covered(expression, pair._asdict(), walk)
        stream = _indexed(index, condition, None if exact else expression)
        streams.append(replace(stream, bounds=bounds, fixed=pair._asdict()))
    fixed = {key.column for key in order.cells} <= {"state", "type"}
    return Access(tuple(streams), rows, walkable=walk is not None and fixed)


def _by_host(expression: Expression, order: Order, cells: list[JudgedCell]) -> Access:
    bounds = _bounds(expression, OrderField.CREATE_TIME)
    same = Condition("operations.host = ? AND operations.state = ? AND operations.type = ?")
    shape = _indexed("ended_by_host", same, None)
    residual = condition_of(expression)
    streams = []
    for cell, certain in ((one.cell, one.outcome is True) for one in cells):
        fixed: dict[str, int | str] = {"host": cell.host or "", "state": cell.state, "type": cell.type}
        condition = Condition(shape.condition.sql, tuple(fixed.values()))
        exact = certain or _covered(expression, fixed, OrderField.CREATE_TIME)
        streams.append(Stream(shape.source, shape.source, condition, bounds, fixed, None if exact else residual))
    return Access(tuple(streams), _sum(cells), walkable=order.walk is OrderField.CREATE_TIME)


def _by_term(
    connection: sqlite3.Connection, expression: Expression, order: Order, part: Expression
) -> Iterator[Access]:
    alternatives = part.parts if isinstance(part, AnyOf) else (part,)
    found = {term_of(one) for one in alternatives}
    terms = sorted(term for term in found if term)
    one_label = len({field for field, _ in terms}) == 1 and (terms[0][0] != "verdict" or len(terms) == 1)
    if None in found or not one_label or len(terms) > _MOST_STREAMS:
        return
    bounds = _bounds(expression, OrderField.CREATE_TIME, "terms.created_us")
    streams = []
    for field, value in terms:
        same = Condition("terms.field = ? AND terms.value = ?", (field, value))
        streams.append(
            Stream(
                "terms",
                "terms CROSS JOIN operations ON operations.id = terms.operation_id",
                same,
                bounds,
                residual=None if _implied(expression, same_term(field, value)) else condition_of(expression),
                columns={"created_us": "terms.created_us", "id": "terms.operation_id"},
            )
        )
    rows = sum(term_total(connection, *term) for term in terms)
    walkable = order.walk is OrderField.CREATE_TIME and not order.cells
    yield Access(tuple(streams), rows, walkable)


def _by_comparison(
    connection: sqlite3.Connection, expression: Expression, order: Order, part: Comparison
) -> Iterator[Access]:
    by_creation = order.walk is OrderField.CREATE_TIME and not order.cells
    if part.field in _NAMES and part.operator is Operator.EQUAL:
        same = Condition(f"operations.{part.field.value} = ?", (str(part.value),))
        exact = _implied(expression, lambda one: one == part)
        stream = _indexed(_NAMES[part.field], same, None if exact else expression)
        stream = replace(stream, bounds=_bounds(expression, OrderField.CREATE_TIME))
        yield _counted(connection, stream, walkable=by_creation)
    elif part.field in _NAMES and part.operator is Operator.LIKE and isinstance(part.value, tuple) and part.value[0]:
        beginning = _beginning(f"operations.{part.field.value}", part.value[0])
        yield _counted(connection, _indexed(_NAMES[part.field], beginning, expression), walkable=False)
    elif part.field in _TIMES and part.operator is not Operator.PRESENT:
        yield from _by_time(connection, expression, part)
    elif part.field in {Field.ID, Field.DATASET, Field.DATA_OPERATION} and part.operator is Operator.EQUAL:
        condition = combined([_named(part), Condition("operations.terminal")])
        stream = Stream("operations", "operations", condition, residual=condition_of(expression))
        yield _counted(connection, stream, walkable=False)


def _by_time(connection: sqlite3.Connection, expression: Expression, part: Comparison) -> Iterator[Access]:
    """Yield the way along the index of a time, for when few operations are in the range and another order is wanted."""
    walk = _TIMES[part.field]
    index = WALKED[walk]
    pairs = connection.execute("SELECT DISTINCT state, type FROM totals WHERE operations > 0").fetchall()
    streams = []
    for pair in pairs:
        same = Condition("operations.state = ? AND operations.type = ?", pair)
        stream = _indexed(index, same, expression)
        streams.append(replace(stream, bounds=_bounds(expression, walk), fixed=Pair(*pair)._asdict()))
    rows = sum(_rows(connection, stream) for stream in streams)
    yield Access(tuple(streams), rows, walkable=False)


def _named(part: Comparison) -> Condition:
    value = str(part.value)
    if part.field is Field.ID:
        return Condition("operations.id = ?", (value,))
    if part.field is Field.DATASET:
        tables = ("dataset_uses", "dataset_versions")
        both = [f"SELECT operation_id FROM {table} WHERE fingerprint = ?" for table in tables]
        return Condition(f"operations.id IN ({' UNION '.join(both)})", (value, value))
    users = (
        "SELECT used.operation_id FROM dataset_versions AS left_by CROSS JOIN dataset_uses AS used USING (fingerprint) "
        "WHERE left_by.operation_id = ?"
    )
    return Condition(f"operations.id IN ({users})", (value,))


def _counted(connection: sqlite3.Connection, stream: Stream, *, walkable: bool) -> Access:
    # Where each row is wanted and in order, it does not matter how many there are.
    rows = 0 if walkable and stream.residual is None else _rows(connection, stream)
    return Access((stream,), rows, walkable)


def _rows(connection: sqlite3.Connection, stream: Stream) -> int:
    condition = bounded(stream)
    query = f"SELECT count(*) FROM (SELECT 1 FROM {stream.source} WHERE {condition.sql} LIMIT {COUNTED + 1})"
    rows: int = connection.execute(query, condition.parameters).fetchone()[0]
    return rows


def _indexed(index: str, condition: Condition, residual: Expression | None) -> Stream:
    source = f"operations INDEXED BY {index}"
    ended = combined([Condition("operations.terminal"), condition])
    return Stream(source, source, ended, residual=None if residual is None else condition_of(residual))


def _beginning(column: str, prefix: str) -> Condition:
    following = ord(prefix[-1]) + 1
    if following > _LAST_CHARACTER:
        return Condition(f"{column} >= ?", (prefix,))
    after = prefix[:-1] + chr(_SURROGATES.stop if following in _SURROGATES else following)
    return Condition(f"{column} >= ? AND {column} < ?", (prefix, after))


def _bounds(expression: Expression, walk: OrderField | None, column: str = "") -> tuple[Bound, ...]:
    """Return what must hold in any case of the time that is walked by."""
    return tuple(_bound(part, column) for part in necessary(expression) if _is_bound(part, walk))


def _bound(part: Expression, column: str) -> Bound:
    condition = condition_of(part)
    operator = part.operator if isinstance(part, Comparison) else Operator.EQUAL
    if column and isinstance(part, Comparison):
        known = f"operations.{_TIMES[part.field].value}"
        condition = Condition(condition.sql.replace(known, column), condition.parameters)
    is_upper = operator not in {Operator.GREATER, Operator.GREATER_OR_EQUAL, Operator.PRESENT}
    is_lower = operator not in {Operator.LESS, Operator.LESS_OR_EQUAL}
    return Bound(condition, is_lower, is_upper)


def _is_bound(part: Expression, walk: OrderField | None) -> bool:
    return isinstance(part, Comparison) and walk is not None and _TIMES.get(part.field) is walk


def _covered(expression: Expression, fixed: Mapping[str, int | str], walk: OrderField | None) -> bool:
    """Tell whether all rows match that have the fixed values and keep to the bounds of the walked time."""

    def known(one: Comparison) -> bool | None:
        if one.field.value in fixed and one.operator is Operator.EQUAL:
            return fixed[one.field.value] == one.value
        return True if _is_bound(one, walk) and one in necessary(expression) else None

    return outcome(expression, known) is True


def _implied(expression: Expression, same: Callable[[Comparison], bool]) -> bool:
    """Tell whether all rows match that keep to the bounds of the time of creation and for which `same` holds."""
    needed = list(necessary(expression))

    def known(one: Comparison) -> bool | None:
        return True if same(one) or (_is_bound(one, OrderField.CREATE_TIME) and one in needed) else None

    return outcome(expression, known) is True


def same_term(field: str, value: str) -> Callable[[Comparison], bool]:
    """Return what tells whether a comparison asks for just this term."""
    return lambda one: term_of(one) == (field, value)


def _pair_of(one: JudgedCell) -> Pair:
    return Pair(one.cell.state, one.cell.type)


def _sum(cells: list[JudgedCell]) -> int:
    return sum(one.cell.operations for one in cells)
