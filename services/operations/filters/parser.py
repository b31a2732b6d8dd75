"""Understand the text of a filter.

The language is the part of AIP-160 that lists of operations need::

    expression = part { "AND" part } | part { "OR" part }
    part       = comparison | "(" expression ")"
    comparison = field ( "=" | "!=" ) value
    field      = "state" | "type" | "host" | "display_name" | "labels." key
    value      = word | quoted text

AIP-160 lets OR bind tighter than AND, which surprises most people: AND and OR side by side need parentheses here.
"""

from typing import Final

from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.filters.expression import AllOf, AnyOf, Comparison, Expression, Field
from services.operations.filters.lexer import FilterSyntaxError, Token, TokenKind, tokens

__all__ = ["FilterSyntaxError", "parse_filter"]

_LONGEST_FILTER: Final = 4_000
_DEEPEST_NESTING: Final = 32
_FIELDS: Final = "state, type, host, display_name and labels.KEY"


def parse_filter(text: str) -> Expression:
    """Return the expression that `text` stands for; a blank text matches everything.

    Raises:
        FilterSyntaxError: It is not a filter; the error tells the column.
    """
    if len(text) > _LONGEST_FILTER:
        raise FilterSyntaxError(_LONGEST_FILTER + 1, f"a filter has at most {_LONGEST_FILTER:,} characters")
    return _Parser(tokens(text)).parse()


class _Parser:
    """Reads tokens from left to right, one function for each rule of the grammar."""

    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._position = 0
        self._depth = 0

    def parse(self) -> Expression:
        if self._peek().kind is TokenKind.END:
            return AllOf()
        expression = self._expression()
        if self._peek().kind is not TokenKind.END:
            raise self._unexpected("AND, OR or the end")
        return expression

    def _expression(self) -> Expression:
        parts = [self._part()]
        word = self._connective()
        while connective := self._connective():
            if connective != word:
                raise FilterSyntaxError(
                    self._peek().column, "AND and OR side by side: put parentheses around one of them"
                )
            self._position += 1
            parts.append(self._part())
        if len(parts) == 1:
            return parts[0]
        return AllOf(tuple(parts)) if word == "AND" else AnyOf(tuple(parts))

    def _connective(self) -> str:
        token = self._peek()
        return token.text if token.kind is TokenKind.WORD and token.text in {"AND", "OR"} else ""

    def _part(self) -> Expression:
        if self._peek().kind is not TokenKind.OPEN:
            return self._comparison()
        if self._depth == _DEEPEST_NESTING:
            raise FilterSyntaxError(self._peek().column, f"parentheses are nested more than {_DEEPEST_NESTING} deep")
        self._depth += 1
        self._position += 1
        inner = self._expression()
        if self._peek().kind is not TokenKind.CLOSE:
            raise self._unexpected("a closing parenthesis")
        self._position += 1
        self._depth -= 1
        return inner

    def _comparison(self) -> Comparison:
        field, label = self._field()
        operator = self._peek()
        if operator.kind not in {TokenKind.EQUAL, TokenKind.NOT_EQUAL}:
            raise self._unexpected("= or !=")
        self._position += 1
        token = self._peek()
        if token.kind not in {TokenKind.WORD, TokenKind.QUOTED} or self._connective():
            raise self._unexpected("a value")
        self._position += 1
        return Comparison(field, label, operator.kind is TokenKind.EQUAL, _value(field, token))

    def _field(self) -> tuple[Field, str]:
        token = self._peek()
        if token.kind is not TokenKind.WORD or self._connective():
            raise self._unexpected("a field")
        self._position += 1
        name, dot, key = token.text.partition(".")
        if name == Field.LABEL.value and key:
            return Field.LABEL, key
        known = {field.value: field for field in Field if field is not Field.LABEL}
        if dot or name not in known:
            raise FilterSyntaxError(token.column, f"unknown field {token.text!r}; the fields are {_FIELDS}")
        return known[name], ""

    def _peek(self) -> Token:
        return self._tokens[self._position]

    def _unexpected(self, wanted: str) -> FilterSyntaxError:
        token = self._peek()
        found = token.text if token.kind is TokenKind.END else repr(token.text)
        return FilterSyntaxError(token.column, f"expected {wanted}, found {found}")


def _value(field: Field, token: Token) -> str | int:
    if field is Field.STATE:
        return _enum_value(token, "STATE_", dict(pb.Operation.State.items()))
    if field is Field.TYPE:
        return _enum_value(token, "OPERATION_TYPE_", dict(pb.OperationType.items()))
    return token.text


def _enum_value(token: Token, prefix: str, values: dict[str, int]) -> int:
    known = {name.removeprefix(prefix): number for name, number in values.items() if number}
    number = known.get(token.text.upper())
    if number is None:
        raise FilterSyntaxError(token.column, f"unknown value {token.text!r}; the values are {', '.join(known)}")
    return number
