"""Turn a filter into a condition of SQL, for operations that are only in the store."""

from sqlalchemy import ColumnElement, and_, false, func, or_, select, true

from services.operations.filters.expression import AllOf, AnyOf, Comparison, Expression, Field
from services.operations.schema import labels, operations


def condition_of(expression: Expression) -> ColumnElement[bool]:
    """Return the condition on the table of operations that selects what `matches` is true of."""
    match expression:
        case AllOf(parts):
            return and_(true(), *(condition_of(part) for part in parts))
        case AnyOf(parts):
            return or_(false(), *(condition_of(part) for part in parts))
        case Comparison():
            column = _column_of(expression)
            return column == expression.value if expression.equal else column != expression.value


def _column_of(comparison: Comparison) -> ColumnElement[str] | ColumnElement[int]:
    match comparison.field:
        case Field.STATE:
            return operations.c.state
        case Field.TYPE:
            return operations.c.type
        case Field.HOST:
            return operations.c.host
        case Field.DISPLAY_NAME:
            return operations.c.display_name
        case Field.LABEL:
            value = select(labels.c.value).where(
                labels.c.operation_id == operations.c.id, labels.c.key == comparison.label
            )
            return func.coalesce(value.scalar_subquery(), "")
