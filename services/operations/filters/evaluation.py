"""Decide whether an operation in memory matches a filter."""

from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.filters.expression import AllOf, AnyOf, Comparison, Expression, Field


def matches(expression: Expression, operation: pb.Operation) -> bool:
    """Tell whether `operation` is one of those that `expression` asks for."""
    match expression:
        case AllOf(parts):
            return all(matches(part, operation) for part in parts)
        case AnyOf(parts):
            return any(matches(part, operation) for part in parts)
        case Comparison():
            return (_field_of(expression, operation) == expression.value) is expression.equal


def _field_of(comparison: Comparison, operation: pb.Operation) -> str | int:
    match comparison.field:
        case Field.STATE:
            return operation.state
        case Field.TYPE:
            return operation.type
        case Field.HOST:
            return operation.host
        case Field.DISPLAY_NAME:
            return operation.display_name
        case Field.LABEL:
            return operation.labels.get(comparison.label, "")
