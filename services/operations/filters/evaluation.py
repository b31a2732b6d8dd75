"""Decide whether an operation in memory matches a filter."""

import operator
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, TypeAlias

from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.filters.expression import AllOf, AnyOf, Comparison, Expression, Field, Kind, Not, Operator
from services.operations.filters.values import ascii_lower
from services.operations.lineage.datasets import datasets_left, datasets_read

Predicate: TypeAlias = Callable[[pb.Operation], bool]
"""Tells whether an operation matches."""

_Test: TypeAlias = Callable[[Any], bool]

_KEPT: Final = 1_000
_ORDER: Final[dict[Operator, Callable[[Any, Any], bool]]] = {
    Operator.LESS: operator.lt,
    Operator.LESS_OR_EQUAL: operator.le,
    Operator.GREATER: operator.gt,
    Operator.GREATER_OR_EQUAL: operator.ge,
}


def matches(expression: Expression, operation: pb.Operation) -> bool:
    """Tell whether `operation` is one of those that `expression` asks for."""
    return predicate_of(expression)(operation)


@lru_cache(maxsize=_KEPT)
def predicate_of(expression: Expression) -> Predicate:
    """Return what `expression` asks of operations: to look at many, this is faster than `matches`."""
    match expression:
        case AllOf(parts):
            return _all_of([predicate_of(part) for part in parts])
        case AnyOf(parts):
            predicates = [predicate_of(part) for part in parts]
            return lambda operation: any(predicate(operation) for predicate in predicates)
        case Not(part):
            inner = predicate_of(part)
            return lambda operation: not inner(operation)
        case Comparison():
            return _comparison(expression)


def _all_of(predicates: list[Predicate]) -> Predicate:
    if not predicates:
        return lambda _: True
    return lambda operation: all(predicate(operation) for predicate in predicates)


def _comparison(comparison: Comparison) -> Predicate:
    field, test = comparison.field, _test(comparison)
    name = field.value
    match field.kind:
        case Kind.TIME:
            return _time(name, test)
        case Kind.REFERENCE:
            of_operation = _datasets if field is Field.DATASET else _data_operations
            return lambda operation: any(test(one) for one in of_operation(operation))
    match field:
        case Field.VERDICT:
            return lambda operation: any(test(one.kind) for one in operation.verdicts if one.active)
        case Field.ANY_TEXT:
            return lambda operation: any(test(text) for text in _texts(operation))
        case Field.LABEL:
            return _label(comparison, test)
    return lambda operation: test(getattr(operation, name))


def _time(name: str, test: _Test) -> Predicate:
    def holds(operation: pb.Operation) -> bool:
        time = getattr(operation, name)
        instant: int = time.seconds * 1_000_000 + time.nanos // 1_000
        return instant != 0 and test(instant)

    return holds


def _label(comparison: Comparison, test: _Test) -> Predicate:
    key = comparison.key
    if comparison.operator is Operator.PRESENT:
        return lambda operation: key in operation.labels
    if comparison.operator is Operator.EQUAL:  # a missing label equals the empty text
        value = comparison.value
        return lambda operation: operation.labels.get(key, "") == value
    return lambda operation: key in operation.labels and test(operation.labels[key])


def _test(comparison: Comparison) -> _Test:
    value = comparison.value
    match comparison.operator:
        case Operator.EQUAL:
            return lambda found: bool(found == value)
        case Operator.PRESENT:
            return bool
        case Operator.CONTAINS:
            text = str(value)
            return lambda found: text in ascii_lower(found)
        case Operator.LIKE:
            parts = value if isinstance(value, tuple) else (str(value),)
            return lambda found: _is_like(found, parts)
    compare = _ORDER[comparison.operator]
    return lambda found: compare(found, value)


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
