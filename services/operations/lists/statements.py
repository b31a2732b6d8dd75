"""The statements that read streams."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from services.operations.filters.selection import Condition, Parameter
from services.operations.lists.order import Order
from services.operations.lists.streams import Stream, Stretch, beyond, bounded, combined, within

Statement: TypeAlias = tuple[str, tuple[Parameter, ...]]


def places_statement(
    streams: Sequence[Stream], order: Order, stretch: Stretch, limit: int, *, is_sorted: bool = False
) -> Statement | None:
    """Return the question for the first places of wanted rows in a stretch; None if there are none.

    Args:
        streams: Where.
        order: Of the places.
        stretch: Where in the order.
        limit: How many.
        is_sorted: The streams are not in this order; their rows have to be sorted.
    """
    parts: list[Condition] = []
    for stream, condition in _conditions(streams, order, stretch, is_sorted=is_sorted):
        columns = ", ".join(stream.column(key) for key in order.keys)
        source = stream.source if stream.residual is None and not is_sorted else stream.with_operations
        keys = order.keys if is_sorted else order.keys[len(order.cells) :]
        ordered = ", ".join(f"{stream.column(key)}{' DESC' if key.descending else ''}" for key in keys)
        sql = f"SELECT {columns} FROM {source} WHERE {condition.sql} ORDER BY {ordered} LIMIT {limit}"
        parts.append(Condition(sql, condition.parameters))
    if len(parts) <= 1:
        return parts[0] if parts else None
    together = " UNION ALL ".join(f"SELECT * FROM ({part.sql})" for part in parts)
    ordered = ", ".join(f"{number}{' DESC' if key.descending else ''}" for number, key in enumerate(order.keys, 1))
    return f"{together} ORDER BY {ordered} LIMIT {limit}", _parameters(parts)


def window_statement(stream: Stream, order: Order, stretch: Stretch, size: int) -> Statement | None:
    """Return the question for the place of the row with number `size` of a stretch, wanted or not."""
    condition = within(stream, order, stretch)
    if condition is None:
        return None
    condition = combined([stream.condition, condition])
    fixed = [Condition("?", (stream.fixed[key.column],)) for key in order.cells]
    rest = order.keys[len(order.cells) :]
    columns = ", ".join([*(one.sql for one in fixed), *(stream.column(key) for key in rest)])
    ordered = ", ".join(f"{stream.column(key)}{' DESC' if key.descending else ''}" for key in rest)
    sql = f"SELECT {columns} FROM {stream.source} WHERE {condition.sql} ORDER BY {ordered} LIMIT 1 OFFSET {size - 1}"
    return sql, (*_parameters(fixed), *condition.parameters)


def count_statement(streams: Sequence[Stream], order: Order, stretch: Stretch, limit: int) -> Statement | None:
    """Return the question for the number of wanted rows in a stretch, up to `limit`."""
    parts = [
        Condition(f"SELECT 1 FROM {stream.with_operations} WHERE {condition.sql}", condition.parameters)
        if stream.residual is not None
        else Condition(f"SELECT 1 FROM {stream.source} WHERE {condition.sql}", condition.parameters)
        for stream, condition in _conditions(streams, order, stretch, is_sorted=stretch == Stretch())
    ]
    if not parts:
        return None
    together = " UNION ALL ".join(part.sql for part in parts)
    return f"SELECT count(*) FROM ({together} LIMIT {limit})", _parameters(parts)


def _conditions(
    streams: Sequence[Stream], order: Order, stretch: Stretch, *, is_sorted: bool
) -> Iterator[tuple[Stream, Condition]]:
    for stream in streams:
        if not is_sorted:
            place = within(stream, order, stretch)
        else:
            place = bounded(stream)
            if stretch.after is not None:
                place = combined([place, beyond(stream, order, stretch.after)])
        if place is None:
            continue
        residual = [] if stream.residual is None else [stream.residual]
        yield stream, combined([stream.condition, place, *residual])


def _parameters(parts: Sequence[Condition]) -> tuple[Parameter, ...]:
    return tuple(parameter for part in parts for parameter in part.parameters)
