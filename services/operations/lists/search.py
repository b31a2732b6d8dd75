"""Find a page of ended operations in the store, and how many there are, in a bounded time."""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, cast

from sqlalchemy import RowMapping

from services.operations.filters import Expression
from services.operations.lists.access import COUNTED, Access, ways
from services.operations.lists.near import cells_near
from services.operations.lists.order import Order, OrderError, OrderField, Place
from services.operations.lists.statements import count_statement, places_statement, window_statement
from services.operations.lists.streams import Stream, Stretch
from services.operations.lists.totals import exact_total, judged_cells, read_cells
from services.operations.operation_state import OperationState

_LARGEST_WINDOW: Final = 50_000
_WINDOW_SECONDS: Final = 0.02


@dataclass(frozen=True)
class Limits:
    """What a search may cost.

    Attributes:
        seconds: How long to look for operations where no index serves the filter.
        count_seconds: How long to count them.
        window: How many rows to look at between two looks at the clock, at first.
        sorted_rows: So many rows are rather sorted than walked through in another order.
        counted_rows: So many rows are counted at once.
    """

    seconds: float = 0.25
    count_seconds: float = 0.1
    window: int = 1_000
    sorted_rows: int = 5_000
    counted_rows: int = 20_000


@dataclass(frozen=True)
class Question:
    """Which operations are wanted.

    Attributes:
        expression: What they have to match.
        order: Their order.
        after: Only those after this place; None for all.
        limit: How many.
        count: Tell how many match, over all places.
        limits: What it may cost.
    """

    expression: Expression
    order: Order
    after: Place | None
    limit: int
    count: bool
    limits: Limits = Limits()


@dataclass(frozen=True)
class Answer:
    """What was found.

    Attributes:
        found: Operations with their places, in order.
        reached: Everything up to this place has been looked at; None: everything up to the end, or `limit` are found.
        total: How many match; None where it was not asked for.
        at_least: There may be more.
    """

    found: list[tuple[Place, OperationState]]
    reached: Place | None
    total: int | None
    at_least: bool


def search(connection: sqlite3.Connection, question: Question) -> Answer:
    """Find operations.

    Args:
        connection: To the store, within a transaction.
        question: What is wanted.

    Raises:
        OrderError: The order cannot be kept in a bounded time, because too many operations would have to be sorted.
    """
    expression, order = question.expression, question.order
    every_host = any(key.field is OrderField.HOST for key in order.cells)
    cells = judged_cells(read_cells(connection, expression), expression)
    near = cells_near(connection, cells, expression, order, question.after, question.limit) if every_host else cells
    access = _best(ways(connection, expression, order, near), order, question.limits)
    places, reached = _found(connection, access, question)
    total: int | None = None
    at_least = False
    if question.count:
        total = exact_total(connection, cells, expression)
        if total is None and question.after is None and reached is None and len(places) < question.limit:
            total = len(places)
        if total is None:
            total, at_least = _count(connection, access, order, question.limits)
    return Answer(_states(connection, places), reached, total, at_least)


def _best(ways_to: Iterable[Access], order: Order, limits: Limits) -> Access:
    found: list[Access] = []
    for access in ways_to:
        if access.walkable and access.exact:
            return access
        found.append(access)
    small = min(found, key=_rows)
    if small.rows <= limits.sorted_rows:
        return small
    walkable = [access for access in found if access.walkable]
    if walkable:
        return min(walkable, key=_rows)
    if small.rows <= COUNTED:
        return small
    fields = ", ".join(key.field.name.lower() for key in order.keys[:-1])
    raise OrderError(
        f"{small.rows:,} operations or more would have to be sorted by {fields}; sort by one field only, "
        "or narrow the filter"
    )


def _found(connection: sqlite3.Connection, access: Access, question: Question) -> tuple[list[Place], Place | None]:
    order, limit = question.order, question.limit
    if not access.walkable:
        return _places(connection, access.streams, order, Stretch(question.after), limit, is_sorted=True), None
    found: list[Place] = []
    end = time.monotonic() + question.limits.seconds
    for streams in _in_turn(access.streams, order):
        for hits, reached in _walk(connection, streams, question, limit - len(found)):
            found += hits
            if len(found) >= limit:
                return found[:limit], None
            if reached is not None and time.monotonic() > end:
                return found, reached
    return found, None


def _walk(
    connection: sqlite3.Connection, streams: Sequence[Stream], question: Question, limit: int
) -> Iterator[tuple[list[Place], Place | None]]:
    """Yield what is wanted, and how far this has come: by windows of rows, unless each row is wanted."""
    order, after = question.order, question.after
    if all(stream.residual is None for stream in streams):
        yield _places(connection, streams, order, Stretch(after), limit), None
        return
    size = question.limits.window
    while True:
        began = time.monotonic()
        reached = _window_end(connection, streams, order, after, size)
        yield _places(connection, streams, order, Stretch(after, reached), limit), reached
        if reached is None:
            return
        after = reached
        if time.monotonic() - began < _WINDOW_SECONDS:
            size = min(2 * size, _LARGEST_WINDOW)


def _in_turn(streams: Sequence[Stream], order: Order) -> Iterator[list[Stream]]:
    """Yield streams that belong together in the order: those with the same values of its leading keys."""
    leading = Order(order.cells)

    def values(stream: Stream) -> tuple[object, ...]:
        return leading.sort_key(tuple(stream.fixed[key.column] for key in leading.keys))

    for _, group in groupby(sorted(streams, key=values), key=values):
        yield list(group)


def _window_end(
    connection: sqlite3.Connection, streams: Sequence[Stream], order: Order, after: Place | None, size: int
) -> Place | None:
    """Return the place up to which no stream has more than `size` rows, None if that is so up to the end."""
    ends: list[Place] = []
    for stream in streams:
        statement = window_statement(stream, order, Stretch(after), size)
        row = connection.execute(*statement).fetchone() if statement else None
        if row is not None:
            ends.append(tuple(row))
    return min(ends, key=order.sort_key) if ends else None


def _places(
    connection: sqlite3.Connection,
    streams: Sequence[Stream],
    order: Order,
    stretch: Stretch,
    limit: int,
    *,
    is_sorted: bool = False,
) -> list[Place]:
    statement = places_statement(streams, order, stretch, limit, is_sorted=is_sorted)
    return [tuple(row) for row in connection.execute(*statement)] if statement else []


def _count(connection: sqlite3.Connection, access: Access, order: Order, limits: Limits) -> tuple[int, bool]:
    if not access.walkable or access.exact:
        limit = COUNTED + 1 if not access.walkable else limits.counted_rows + 1
        statement = count_statement(access.streams, order, Stretch(), limit)
        total: int = connection.execute(*statement).fetchone()[0] if statement else 0
        return min(total, limit - 1), total == limit
    end = time.monotonic() + limits.count_seconds
    total = 0
    for streams in _in_turn(access.streams, order):
        after: Place | None = None
        size = limits.window
        while True:
            reached = _window_end(connection, streams, order, after, size)
            statement = count_statement(streams, order, Stretch(after, reached), size * len(streams) + 1)
            total += connection.execute(*statement).fetchone()[0] if statement else 0
            if reached is None:
                break
            if time.monotonic() > end:
                return total, True
            after = reached
            size = min(2 * size, _LARGEST_WINDOW)
    return total, False


def _states(connection: sqlite3.Connection, places: list[Place]) -> list[tuple[Place, OperationState]]:
    if not places:
        return []
    marks = ", ".join("?" * len(places))
    cursor = connection.execute(
        "SELECT operations.*, specs.spec FROM operations LEFT JOIN specs ON specs.operation_id = operations.id "
        f"WHERE operations.id IN ({marks})",
        [place[-1] for place in places],
    )
    names = [column[0] for column in cursor.description]
    found: dict[object, OperationState] = {}
    for row in cursor:
        values = dict(zip(names, row, strict=True))
        found[values["id"]] = OperationState.from_row(cast("RowMapping", values))
    return [(place, found[place[-1]]) for place in places]


def _rows(access: Access) -> int:
    return access.rows
