"""The order of a list: `order_by` as AIP-132 has it."""

from dataclasses import dataclass
from enum import Enum
from functools import total_ordering
from typing import Any, Final, NamedTuple, TypeAlias

from ktrdr.operations.v1 import operations_pb2 as pb

_LONGEST: Final = 500


class OrderField(Enum):
    """A field to sort by, and its column."""

    CREATE_TIME = "created_us"
    START_TIME = "started_us"
    END_TIME = "ended_us"
    UPDATE_TIME = "updated_us"
    DISPLAY_NAME = "display_name"
    STATE = "state"
    TYPE = "type"
    HOST = "host"
    STRATEGY = "strategy"
    ID = "id"


_TIMES: Final = frozenset({OrderField.CREATE_TIME, OrderField.START_TIME, OrderField.END_TIME, OrderField.UPDATE_TIME})
_CELLS: Final = frozenset({OrderField.STATE, OrderField.TYPE, OrderField.HOST})
_TEXTS: Final = frozenset({OrderField.DISPLAY_NAME, OrderField.STRATEGY})
_NAMES: Final = {field.name.lower(): field for field in OrderField if field is not OrderField.ID}

Place: TypeAlias = tuple[int | str, ...]
"""Where an operation stands in an order: the value of each key."""


class OrderError(ValueError):
    """The order cannot be understood; the text says why."""


class OrderKey(NamedTuple):
    """One thing to sort by."""

    field: OrderField
    descending: bool

    @property
    def column(self) -> str:
        """Column of the table of operations."""
        return self.field.value


@dataclass(frozen=True)
class Order:
    """A total order: its last key is the id.

    Attributes:
        keys: What to sort by.
    """

    keys: tuple[OrderKey, ...]

    @property
    def cells(self) -> tuple[OrderKey, ...]:
        """The leading keys that have few values: state, type and host."""
        for number, key in enumerate(self.keys):
            if key.field not in _CELLS:
                return self.keys[:number]
        return self.keys

    @property
    def walk(self) -> OrderField | None:
        """The field by whose index the rest of the order can be walked; None if it has to be sorted."""
        rest = self.keys[len(self.cells) :]
        if len({key.descending for key in rest}) > 1:
            return None
        match [key.field for key in rest]:
            case [first, OrderField.ID] if first in _TIMES:
                return first
            case [first, OrderField.CREATE_TIME, OrderField.ID] if first in _TEXTS and not self.cells:
                return first
        return None

    @property
    def types(self) -> tuple[type, ...]:
        """Type of each part of a place."""
        texts = _TEXTS | {OrderField.HOST, OrderField.ID}
        return tuple(str if key.field in texts else int for key in self.keys)

    def place_of(self, record: pb.Operation) -> Place:
        """Return where an operation stands."""
        return tuple(_value(key.field, record) for key in self.keys)

    def leading_key(self, record: pb.Operation) -> Any:
        """Return the first part of the sort key of an operation: enough to leave most of many out."""
        field, descending = self.keys[0]
        part = _value(field, record)
        return part if not descending else -part if isinstance(part, int) else _Backwards(part)

    def sort_key(self, place: Place) -> tuple[Any, ...]:
        """Return something that sorts places in this order."""
        return tuple(
            part if not key[1] else -part if isinstance(part, int) else _Backwards(part)
            for key, part in zip(self.keys, place, strict=True)
        )


@total_ordering
class _Backwards:
    """Sorts after what it would sort before."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Backwards) and bool(self._value == other._value)

    def __hash__(self) -> int:
        return hash(self._value)

    def __lt__(self, other: "_Backwards") -> bool:
        return bool(other._value < self._value)


def parse_order(text: str) -> Order:
    """Return the order that `text` asks for; a blank text asks for the newest first.

    What is equal is told newest first; after a time or a text, in the direction of that.

    Raises:
        OrderError: It names an unknown field, or one twice, or more than fields.
    """
    if len(text) > _LONGEST:
        raise OrderError(f"at most {_LONGEST} characters")
    keys = [_key(part) for part in text.split(",")] if text.strip() else []
    if len({key.field for key in keys}) < len(keys):
        raise OrderError("a field is named twice")
    last = keys[-1] if keys else None
    descending = last is None or last.field in _CELLS or last.descending
    if not any(key.field in _TIMES for key in keys):
        keys.append(OrderKey(OrderField.CREATE_TIME, descending))
    keys.append(OrderKey(OrderField.ID, descending))
    return Order(tuple(keys))


def _key(part: str) -> OrderKey:
    name, *direction = part.split() or [""]
    field = _NAMES.get(name)
    if field is None:
        raise OrderError(f"unknown field {name!r}; the fields are {', '.join(_NAMES)}")
    if direction not in ([], ["desc"], ["asc"]):
        raise OrderError(f'{name} is followed by "desc" or nothing, not by {" ".join(direction)!r}')
    return OrderKey(field, direction == ["desc"])


def _value(field: OrderField, record: pb.Operation) -> int | str:
    if field in _TIMES:
        instant = getattr(record, field.name.lower())
        microseconds: int = instant.seconds * 1_000_000 + instant.nanos // 1_000
        return microseconds
    found: int | str = getattr(record, field.name.lower())
    return found
