"""Decide whether an operation in memory matches a filter."""

import operator
from collections.abc import Callable, Iterator
from typing import Any, Final

from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.filters.expression import (
    AllOf,
    AnyOf,
    Comparison,
    Expression,
    Field,
    Kind,
    Not,
    Operator,
    Value,
)
from services.operations.filters.values import ascii_lower
from services.operations.lineage.datasets import datasets_left, datasets_read

_ORDER: Final[dict[Operator, Callable[[Any, Any], bool]]] = {
    Operator.LESS: operator.lt,
    Operator.LESS_OR_EQUAL: operator.le,
    Operator.GREATER: operator.gt,
    Operator.GREATER_OR_EQUAL: operator.ge,
}


def matches(expression: Expression, operation: pb.Operation) -> bool:
    """Tell whether `operation` is one of those that `expression` asks for."""
    match expression:
        case AllOf(parts):
            return all(matches(part, operation) for part in parts)
        case AnyOf(parts):
            return any(matches(part, operation) for part in parts)
        case Not(part):
            return not matches(part, operation)
        case Comparison():
            return _holds(expression, operation)


def _holds(comparison: Comparison, operation: pb.Operation) -> bool:
    field, value = comparison.field, comparison.value
    match field.kind:
        case Kind.TIME:
            time = getattr(operation, field.value)
            instant: int = time.seconds * 1_000_000 + time.nanos // 1_000
            return instant != 0 and _compared(comparison.operator, instant, value)
        case Kind.REFERENCE:
            ids = _datasets(operation) if field is Field.DATASET else _data_operations(operation)
            return any(comparison.operator is Operator.PRESENT or one == value for one in ids)
        case Kind.TEXT:
            return _text_holds(comparison, operation)
    if field is Field.VERDICT:
        active = (verdict.kind for verdict in operation.verdicts if verdict.active)
        return any(comparison.operator is Operator.PRESENT or kind == value for kind in active)
    return _compared(comparison.operator, getattr(operation, field.value), value)


def _text_holds(comparison: Comparison, operation: pb.Operation) -> bool:
    match comparison.field:
        case Field.ANY_TEXT:
            return any(str(comparison.value) in ascii_lower(text) for text in _texts(operation))
        case Field.LABEL:
            there = comparison.key in operation.labels
            if comparison.operator is Operator.PRESENT:
                return there
            if not there and comparison.operator is not Operator.EQUAL:
                return False
            return _compared(comparison.operator, operation.labels[comparison.key] if there else "", comparison.value)
    return _compared(comparison.operator, getattr(operation, comparison.field.value), comparison.value)


def _compared(how: Operator, found: str | int, value: Value) -> bool:
    match how:
        case Operator.EQUAL:
            return found == value
        case Operator.PRESENT:
            return bool(found)
        case Operator.CONTAINS:
            return str(value) in ascii_lower(str(found))
        case Operator.LIKE:
            return isinstance(value, tuple) and _is_like(str(found), value)
    return _ORDER[how](found, value)


def _is_like(text: str, parts: tuple[str, ...]) -> bool:
    first, *middle, last = parts
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    position, end = len(first), len(text) - len(last)
    for part in middle:
        place = text.find(part, position, end)
        if place < 0:
            return False
        position = place + len(part)
    return True


def _texts(operation: pb.Operation) -> Iterator[str]:
    yield from (operation.id, operation.display_name, operation.strategy, operation.host, operation.notes)
    yield from operation.labels.values()


def _datasets(operation: pb.Operation) -> list[str]:
    return [*datasets_read(operation), *datasets_left(operation)]


def _data_operations(operation: pb.Operation) -> Iterator[str]:
    for used in operation.inputs:
        yield from used.data_operation_ids
