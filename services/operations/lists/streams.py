"""Parts of the store's rows that an index has in the wanted order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from services.operations.filters.selection import Condition, Parameter
from services.operations.lists.order import Order, OrderField, OrderKey, Place

WALKED: Final = {
    OrderField.CREATE_TIME: "ended_by_creation",
    OrderField.START_TIME: "ended_by_start",
    OrderField.END_TIME: "ended_by_end",
    OrderField.UPDATE_TIME: "ended_by_update",
    OrderField.DISPLAY_NAME: "ended_by_name",
    OrderField.STRATEGY: "ended_by_strategy",
}
"""Indexes by the field that they are walked by."""


class Bound(NamedTuple):
    """A condition on the field that is walked by, and the sides that it is on."""

    condition: Condition
    is_lower: bool
    is_upper: bool


@dataclass(frozen=True)
class Stream:
    """Ended operations that have something in common.

    Attributes:
        source: What follows FROM, without the table of operations where that is not needed.
        with_operations: The same with the table of operations.
        condition: What they have in common.
        bounds: What is wanted of the field that they are walked by.
        fixed: Columns in which they have the same value.
        residual: Condition that decides which of them are wanted; None if all are.
        columns: Where a column is called something else.
    """

    source: str
    with_operations: str
    condition: Condition
    bounds: tuple[Bound, ...] = ()
    fixed: Mapping[str, int | str] = field(default_factory=dict)
    residual: Condition | None = None
    columns: Mapping[str, str] = field(default_factory=dict)

    def column(self, key: OrderKey) -> str:
        """Return the name of the column of a key."""
        return self.columns.get(key.column, f"operations.{key.column}")


@dataclass(frozen=True)
class Stretch:
    """A stretch of an order.

    Attributes:
        after: It begins after this place; None for the beginning.
        up_to: It ends with this place; None for the end.
    """

    after: Place | None = None
    up_to: Place | None = None


def within(stream: Stream, order: Order, stretch: Stretch) -> Condition | None:
    """Return the condition for the rows of a stream in a stretch of a walkable order, None if there are none."""
    cells = len(order.cells)
    conditions: list[Condition] = []
    lower = upper = False
    for place, is_start in ((stretch.after, True), (stretch.up_to, False)):
        if place is None:
            continue
        here = tuple(stream.fixed[key.column] for key in order.cells)
        there = place[:cells]
        if here == there:
            conditions.append(_beyond(stream, order.keys[cells:], place[cells:], start=is_start))
            if order.keys[cells].descending is is_start:
                upper = True
            else:
                lower = True
            continue
        comes_later = _sort_key(order, here) > _sort_key(order, there)
        if comes_later != is_start:
            return None
    # Places are within the bounds. Two conditions on one side would make SQLite begin at either, and skip row by row.
    conditions += [
        bound.condition for bound in stream.bounds if (bound.is_lower and not lower) or (bound.is_upper and not upper)
    ]
    return combined(conditions)


def bounded(stream: Stream) -> Condition:
    """Return the condition for all rows of a stream."""
    return combined([stream.condition, *(bound.condition for bound in stream.bounds)])


def beyond(stream: Stream, order: Order, place: Place) -> Condition:
    """Return the condition for the rows after a place, whatever the order is."""
    parts: list[Condition] = []
    equal: list[Condition] = []
    for key, value in zip(order.keys, place, strict=True):
        column = stream.column(key)
        parts.append(combined([*equal, Condition(f"{column} {'<' if key.descending else '>'} ?", (value,))]))
        equal.append(Condition(f"{column} = ?", (value,)))
    sql = " OR ".join(f"({part.sql})" for part in parts)
    return Condition(f"({sql})", tuple(one for part in parts for one in part.parameters))


def combined(conditions: list[Condition]) -> Condition:
    """Return the condition that all of these hold."""
    parameters: tuple[Parameter, ...] = tuple(one for condition in conditions for one in condition.parameters)
    return Condition(" AND ".join(f"({condition.sql})" for condition in conditions) or "1", parameters)


def _beyond(stream: Stream, keys: tuple[OrderKey, ...], place: Place, *, start: bool) -> Condition:
    """Return the condition for the rows after a place, or (`start` unset) up to it. All keys have one direction."""
    columns = ", ".join(stream.column(key) for key in keys)
    sign = "<" if keys[0].descending is start else ">"
    return Condition(f"({columns}) {sign}{'' if start else '='} ({', '.join('?' * len(keys))})", tuple(place))


def _sort_key(order: Order, cells: Place) -> tuple[object, ...]:
    return Order(order.cells).sort_key(cells)
