"""Turn a filter into a condition of SQL, for operations that are only in the store."""

from typing import Final, NamedTuple

from services.operations.filters.expression import (
    AllOf,
    AnyOf,
    Comparison,
    Expression,
    Field,
    Kind,
    Not,
    Operator,
)

Parameter = str | int


class Condition(NamedTuple):
    """A condition on a row of the table of operations; it is true or false, never NULL."""

    sql: str
    parameters: tuple[Parameter, ...] = ()


COLUMNS: Final = {
    Field.CREATE_TIME: "created_us",
    Field.START_TIME: "started_us",
    Field.END_TIME: "ended_us",
    Field.UPDATE_TIME: "updated_us",
}
"""Columns of fields that do not have the name of their column."""

_EMPTY_TEXT: Final = "''"
_LABEL: Final = "(SELECT value FROM labels WHERE operation_id = operations.id AND key = ?)"
_USES: Final = "SELECT 1 FROM dataset_uses AS used WHERE used.operation_id = operations.id"
_LEFT: Final = "SELECT 1 FROM dataset_versions AS left_by WHERE left_by.operation_id = operations.id"
_USES_OF: Final = (
    "SELECT 1 FROM dataset_uses AS used JOIN dataset_versions AS left_by USING (fingerprint) "
    "WHERE used.operation_id = operations.id"
)
_TEXTS: Final = ("id", "display_name", "strategy", "host", "notes")


def condition_of(expression: Expression) -> Condition:
    """Return the condition that selects what `matches` is true of."""
    match expression:
        case AllOf(parts):
            return _joined(" AND ", "1", [condition_of(part) for part in parts])
        case AnyOf(parts):
            return _joined(" OR ", "0", [condition_of(part) for part in parts])
        case Not(part):
            inner = condition_of(part)
            return Condition(f"NOT ({inner.sql})", inner.parameters)
        case Comparison():
            return _comparison(expression)


def _joined(word: str, empty: str, parts: list[Condition]) -> Condition:
    if not parts:
        return Condition(empty)
    sql = word.join(f"({part.sql})" for part in parts)
    return Condition(sql, tuple(parameter for part in parts for parameter in part.parameters))


def _comparison(comparison: Comparison) -> Condition:
    match comparison.field:
        case Field.VERDICT:
            bits = ~0 if comparison.operator is Operator.PRESENT else 1 << _number(comparison)
            return Condition("operations.verdicts & ? != 0", (bits,))
        case Field.DATASET | Field.DATA_OPERATION:
            return _reference(comparison)
        case Field.LABEL:
            return _label(comparison)
        case Field.ANY_TEXT:
            found = [f"instr(lower(operations.{column}), ?)" for column in _TEXTS]
            found.append(
                "EXISTS (SELECT 1 FROM labels WHERE operation_id = operations.id AND instr(lower(labels.value), ?))"
            )
            return Condition(" OR ".join(found), (str(comparison.value),) * len(found))
    column = f"operations.{COLUMNS.get(comparison.field, comparison.field.value)}"
    compared = _compared(comparison, column)
    if comparison.field.kind is Kind.TIME:
        return Condition(f"{column} != 0 AND {compared.sql}", compared.parameters)
    return compared


def _compared(comparison: Comparison, column: str) -> Condition:
    value = comparison.value
    match comparison.operator:
        case Operator.PRESENT:
            return Condition(f"{column} != {_EMPTY_TEXT if comparison.field.kind is Kind.TEXT else 0}")
        case Operator.CONTAINS:
            return Condition(f"instr(lower({column}), ?) > 0", (str(value),))
        case Operator.LIKE:
            return Condition(f"{column} GLOB ?", (_glob(value) if isinstance(value, tuple) else str(value),))
    return Condition(f"{column} {comparison.operator.value} ?", (value if isinstance(value, int) else str(value),))


def _label(comparison: Comparison) -> Condition:
    if comparison.operator is Operator.PRESENT:
        return Condition(f"EXISTS {_LABEL}", (comparison.key,))
    if comparison.operator is Operator.EQUAL:
        return Condition(f"coalesce({_LABEL}, '') = ?", (comparison.key, str(comparison.value)))
    compared = _compared(comparison, _LABEL)
    return Condition(f"coalesce({compared.sql}, 0)", (comparison.key, *compared.parameters))


def _reference(comparison: Comparison) -> Condition:
    named = comparison.operator is not Operator.PRESENT
    value = (str(comparison.value),) if named else ()
    if comparison.field is Field.DATA_OPERATION:
        return Condition(f"EXISTS ({_USES_OF}{' AND left_by.operation_id = ?' if named else ''})", value)
    uses = f"{_USES}{' AND used.fingerprint = ?' if named else ''}"
    left = f"{_LEFT}{' AND left_by.fingerprint = ?' if named else ''}"
    return Condition(f"EXISTS ({uses}) OR EXISTS ({left})", value * 2)


def _glob(parts: tuple[str, ...]) -> str:
    """Return the pattern for a text with these parts in this order."""
    escaped = ("".join(f"[{one}]" if one in "*?[" else one for one in part) for part in parts)
    return "*".join(escaped)


def _number(comparison: Comparison) -> int:
    return comparison.value if isinstance(comparison.value, int) else 0
