"""Understand the text of a filter.

The language is AIP-160 (https://google.aip.dev/160), without functions::

    filter      = [ expression ]
    expression  = factor { [ "AND" ] factor }
    factor      = term { "OR" term }
    term        = [ "NOT" | "-" ] simple
    simple      = restriction | "(" expression ")"
    restriction = field comparator ( value | "(" values ")" ) | text
    comparator  = "=" | "!=" | "<" | "<=" | ">" | ">=" | ":"

As AIP-160 has it, OR binds tighter than AND: `a AND b OR c` is `a AND (b OR c)`. A text without a field is looked for
in all texts of an operation.
"""

from typing import Final

from services.operations.filters.expression import (
    EVERYTHING,
    AllOf,
    AnyOf,
    Comparison,
    Expression,
    Field,
    Not,
    Operator,
)
from services.operations.filters.lexer import WILDCARD, FilterSyntaxError, Token, TokenKind, tokens, unquoted
from services.operations.filters.values import ascii_lower, comparison

__all__ = ["FilterSyntaxError", "parse_filter"]

_LONGEST_FILTER: Final = 4_000
_DEEPEST_NESTING: Final = 32
_MOST_COMPARISONS: Final = 100
_WORDS: Final = frozenset({"AND", "OR", "NOT"})
_NAMED: Final = {field.value: field for field in Field if field not in {Field.LABEL, Field.ANY_TEXT}}
_FIELDS: Final = ", ".join([*_NAMED, "labels.KEY"])


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
        self._comparisons = 0
        self._compared: tuple[Field, str, Token] | None = None  # within the parentheses of a value

    def parse(self) -> Expression:
        if self._peek().kind is TokenKind.END:
            return EVERYTHING
        expression = self._expression()
        if self._peek().kind is not TokenKind.END:
            raise self._unexpected("AND, OR or the end")
        return expression

    def _expression(self) -> Expression:
        factors = [self._factor()]
        while True:
            if self._word() == "AND":
                self._position += 1
            elif self._peek().kind in {TokenKind.END, TokenKind.CLOSE}:
                return factors[0] if len(factors) == 1 else AllOf(tuple(factors))
            factors.append(self._factor())

    def _factor(self) -> Expression:
        terms = [self._term()]
        while self._word() == "OR":
            self._position += 1
            terms.append(self._term())
        return terms[0] if len(terms) == 1 else AnyOf(tuple(terms))

    def _term(self) -> Expression:
        token = self._peek()
        if self._word() == "NOT" or token.kind is TokenKind.MINUS:
            self._position += 1
            return Not(self._simple())
        return self._simple()

    def _simple(self) -> Expression:
        if self._peek().kind is TokenKind.OPEN:
            return self._nested()
        return self._restriction() if self._compared is None else self._compare(*self._compared)

    def _nested(self) -> Expression:
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

    def _restriction(self) -> Expression:
        token = self._peek()
        if token.kind not in {TokenKind.WORD, TokenKind.QUOTED} or self._word():
            raise self._unexpected("a field")
        self._position += 1
        comparator = self._peek()
        if comparator.kind is not TokenKind.COMPARATOR:
            return self._any_text(token)
        self._position += 1
        if token.text == Field.LABEL.value and comparator.text == ":" and token.kind is TokenKind.WORD:
            return self._has_label()
        field, key = _field(token)
        if self._peek().kind is not TokenKind.OPEN:
            return self._compare(field, key, comparator)
        self._compared = field, key, comparator
        values = self._nested()
        self._compared = None
        return values

    def _compare(self, field: Field, key: str, comparator: Token) -> Expression:
        return comparison(field, key, comparator, self._value())

    def _has_label(self) -> Expression:
        token = self._value()
        if WILDCARD in token.text:
            raise FilterSyntaxError(token.column, "name the label: labels:KEY, or labels.KEY:*")
        return Comparison(Field.LABEL, Operator.PRESENT, "", token.text)

    def _any_text(self, token: Token) -> Expression:
        following = self._peek()
        if token.kind is TokenKind.WORD:
            if following.kind is TokenKind.OPEN and following.column == token.column + len(token.text):
                raise FilterSyntaxError(token.column, "there are no functions here")
            if token.text in _NAMED or token.text.partition(".")[0] == Field.LABEL.value:
                raise self._unexpected("=, !=, <, <=, >, >= or :")
            if token.text.upper() in _WORDS:
                raise FilterSyntaxError(token.column, f"write {token.text.upper()} in capital letters")
        self._count(token)
        text = token.text.replace(WILDCARD, "*")
        return Comparison(Field.ANY_TEXT, Operator.CONTAINS, ascii_lower(text))

    def _value(self) -> Token:
        token = self._peek()
        if token.kind not in {TokenKind.WORD, TokenKind.QUOTED} or self._word():
            raise self._unexpected("a value")
        self._position += 1
        self._count(token)
        return token

    def _count(self, token: Token) -> None:
        self._comparisons += 1
        if self._comparisons > _MOST_COMPARISONS:
            raise FilterSyntaxError(token.column, f"a filter has at most {_MOST_COMPARISONS} comparisons")

    def _word(self) -> str:
        token = self._peek()
        return token.text if token.kind is TokenKind.WORD and token.text in _WORDS else ""

    def _peek(self) -> Token:
        return self._tokens[self._position]

    def _unexpected(self, wanted: str) -> FilterSyntaxError:
        token = self._peek()
        found = token.text if token.kind is TokenKind.END else repr(token.text.replace(WILDCARD, "*"))
        return FilterSyntaxError(token.column, f"expected {wanted}, found {found}")


def _field(token: Token) -> tuple[Field, str]:
    name, dot, key = token.text.partition(".")
    if token.kind is TokenKind.WORD:
        if name == Field.LABEL.value and key:
            return Field.LABEL, unquoted(key) if key[0] in "\"'" else key
        if not dot and name in _NAMED:
            return _NAMED[name], ""
    raise FilterSyntaxError(token.column, f"unknown field {token.text!r}; the fields are {_FIELDS}")
