"""What a filter says of all operations that have something in common."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

from services.operations.filters.expression import AllOf, AnyOf, Comparison, Expression, Not

Known: TypeAlias = Callable[[Comparison], bool | None]
"""Tells whether a comparison holds for all of them (True), for none of them (False), or that depends (None)."""


def outcome(expression: Expression, known: Known) -> bool | None:
    """Return whether `expression` holds for all of them, for none of them, or that depends."""
    match expression:
        case AllOf(parts):
            outcomes = [outcome(part, known) for part in parts]
            return False if False in outcomes else None if None in outcomes else True
        case AnyOf(parts):
            outcomes = [outcome(part, known) for part in parts]
            return True if True in outcomes else None if None in outcomes else False
        case Not(part):
            inner = outcome(part, known)
            return None if inner is None else not inner
        case Comparison():
            return known(expression)


def necessary(expression: Expression) -> Iterator[Expression]:
    """Yield parts that are true whenever the whole is."""
    match expression:
        case AllOf(parts):
            for part in parts:
                yield from necessary(part)
        case Not(AnyOf(parts)):
            for part in parts:
                yield from necessary(Not(part))
        case Not(Not(part)):
            yield from necessary(part)
        case _:
            yield expression


def comparisons(expression: Expression) -> Iterator[Comparison]:
    """Yield all comparisons."""
    match expression:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from comparisons(part)
        case Not(part):
            yield from comparisons(part)
        case Comparison():
            yield expression
