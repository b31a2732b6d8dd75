"""Values of comparisons: what a token means for the field that it is compared with."""

import re
from datetime import UTC, datetime
from typing import Final

from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1.trends_pb2 import VerdictKind

from services.operations.filters.expression import Comparison, Expression, Field, Kind, Not, Operator
from services.operations.filters.lexer import WILDCARD, FilterSyntaxError, Token

_MOST_WILDCARDS: Final = 8
_CHOICES: Final[dict[Field, tuple[str, dict[str, int]]]] = {
    Field.STATE: ("STATE_", dict(pb.Operation.State.items())),
    Field.TYPE: ("OPERATION_TYPE_", dict(pb.OperationType.items())),
    Field.VERDICT: ("VERDICT_KIND_", dict(VerdictKind.items())),
}
_ALIASES: Final = {Field.VERDICT: {"NAN": "NOT_FINITE"}}
_EQUALITY_ONLY: Final = frozenset({Kind.CHOICE, Kind.FLAG, Kind.REFERENCE})
_DIGITS: Final = re.compile(r"-?[0-9]{1,15}")
_EXAMPLE_TIME: Final = "2026-01-31T12:30:00Z or 2026-01-31"


def comparison(field: Field, key: str, comparator: Token, value: Token) -> Expression:
    """Return what `field comparator value` stands for.

    Raises:
        FilterSyntaxError: The field cannot be compared like this.
    """
    sign = comparator.text
    if sign == "!=":
        return Not(comparison(field, key, comparator._replace(text="="), value))
    if sign == ":" and value.text == WILDCARD and field.kind is not Kind.FLAG:
        return Comparison(field, Operator.PRESENT, "", key)
    if field.kind in _EQUALITY_ONLY and sign not in {"=", ":"}:
        raise FilterSyntaxError(comparator.column, f"{field.value} can be compared with =, != and : only")
    if field.kind is Kind.TEXT:
        return _text(field, key, comparator, value)
    operator = Operator.EQUAL if sign == ":" else Operator(sign)
    return Comparison(field, operator, _typed(field, value), key)


def _text(field: Field, key: str, comparator: Token, value: Token) -> Comparison:
    sign, text = comparator.text, value.text
    if WILDCARD in text:
        if sign not in {"=", ":"}:
            raise FilterSyntaxError(value.column, r'wildcards need = or !=; for a real asterisk write "\*"')
        parts = tuple(text.split(WILDCARD))
        if len(parts) > _MOST_WILDCARDS + 1:
            raise FilterSyntaxError(value.column, f"a value has at most {_MOST_WILDCARDS} wildcards")
        return Comparison(field, Operator.LIKE, parts, key)
    if sign == ":" and field is not Field.LABEL:
        return Comparison(field, Operator.CONTAINS, ascii_lower(text), key)
    return Comparison(field, Operator.EQUAL if sign == ":" else Operator(sign), text, key)


def _typed(field: Field, value: Token) -> str | int:
    if WILDCARD in value.text:
        raise FilterSyntaxError(
            value.column, f"{field.value} knows no wildcards; {field.value}:* asks whether there is one"
        )
    match field.kind:
        case Kind.CHOICE:
            return _choice(field, value)
        case Kind.NUMBER:
            if not _DIGITS.fullmatch(value.text):
                raise FilterSyntaxError(value.column, f"{field.value} is compared with a whole number")
            return int(value.text)
        case Kind.FLAG:
            if value.text.lower() not in {"true", "false"}:
                raise FilterSyntaxError(value.column, f"{field.value} is true or false")
            return int(value.text.lower() == "true")
        case Kind.TIME:
            return _time(value)
        case _:
            return value.text


def _choice(field: Field, value: Token) -> int:
    prefix, numbers = _CHOICES[field]
    known = {name.removeprefix(prefix): number for name, number in numbers.items() if number}
    word = value.text.upper().replace("-", "_").removeprefix(prefix)
    number = known.get(_ALIASES.get(field, {}).get(word, word))
    if number is None:
        raise FilterSyntaxError(value.column, f"unknown value {value.text!r}; the values are {', '.join(known)}")
    return number


def _time(value: Token) -> int:
    try:
        instant = datetime.fromisoformat(value.text)
    except ValueError as error:
        raise FilterSyntaxError(value.column, f"{value.text!r} is no time; write {_EXAMPLE_TIME}") from error
    if instant.tzinfo is None:
        if len(value.text) > len("2026-01-31"):
            raise FilterSyntaxError(value.column, f"the time needs a zone, such as Z for UTC: {value.text}Z")
        instant = instant.replace(tzinfo=UTC)
    since = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def ascii_lower(text: str) -> str:
    """Return a text with the letters A to Z in lower case and all others as they are, as the store does it."""
    return text.translate(_LOWER)


_LOWER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
