"""Cut the text of a filter into tokens."""

import re
from enum import Enum
from typing import Final, NamedTuple

WILDCARD: Final = "\0"
"""Stands in the text of a token for a "*" that means any text."""

_QUOTED: Final = r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"""
_COMMON: Final = rf"""(?P<space>\s+)|(?P<open>\()|(?P<close>\))|(?P<quoted>{_QUOTED})"""
_NAMES: Final = re.compile(
    rf"""{_COMMON}|(?P<comparator>!=|<=|>=|[=<>:])|(?P<minus>-(?=\S))|(?P<word>[^\s()=!<>:,"']+(?:(?<=\.)(?:{_QUOTED}))?)""",
    re.DOTALL,
)
_VALUES: Final = re.compile(rf"""{_COMMON}|(?P<word>[^\s()"']\S*?(?=[\s()]|$))""", re.DOTALL)


class TokenKind(Enum):
    """What a token is."""

    OPEN = "open"
    CLOSE = "close"
    COMPARATOR = "comparator"
    MINUS = "minus"
    QUOTED = "quoted"
    WORD = "word"
    END = "end"


class Token(NamedTuple):
    """A token, its meaning as text, and the column it begins at (from 1)."""

    kind: TokenKind
    text: str
    column: int


class FilterSyntaxError(ValueError):
    """The filter cannot be understood.

    Attributes:
        column: Where, counted from 1.
        problem: What is wrong there, as a sentence without a full stop.
    """

    def __init__(self, column: int, problem: str) -> None:
        super().__init__(f"at column {column}: {problem}")
        self.column = column
        self.problem = problem


def tokens(text: str) -> list[Token]:
    """Return the tokens of a filter, closed by an END token.

    After a comparator comes a value, which may contain characters that names may not: 12:30, a=b, -5.

    Raises:
        FilterSyntaxError: A character fits nowhere, or a quoted text is not closed.
    """
    if WILDCARD in text:
        raise FilterSyntaxError(text.index(WILDCARD) + 1, "the character U+0000 is not allowed")
    found: list[Token] = []
    position = 0
    values = 0  # 1 after a comparator; then one more for each open parenthesis
    while position < len(text):
        match = (_VALUES if values else _NAMES).match(text, position)
        if match is None:
            problem = "the quoted text is not closed" if text[position] in "\"'" else f"unexpected {text[position]!r}"
            raise FilterSyntaxError(position + 1, problem)
        if match.lastgroup != "space":
            kind = TokenKind(match.lastgroup)
            found.append(Token(kind, _meaning(kind, match[0], in_value=values > 0), position + 1))
            values = _values_after(kind, values)
        position = match.end()
    found.append(Token(TokenKind.END, "the end", len(text) + 1))
    return found


def _values_after(kind: TokenKind, values: int) -> int:
    if kind is TokenKind.COMPARATOR:
        return 1
    if not values:
        return 0
    if kind is TokenKind.OPEN:
        return values + 1
    if kind is TokenKind.CLOSE or values == 1:
        return max(0, values - 1) if values != 2 else 0
    return values


def _meaning(kind: TokenKind, text: str, *, in_value: bool) -> str:
    if kind is TokenKind.QUOTED:
        return unquoted(text)
    if kind is TokenKind.WORD and in_value:
        return text.replace("*", WILDCARD)
    return text


def unquoted(text: str) -> str:
    r"""Return what a quoted text stands for: \x is the character x, and "*" alone is any text."""
    return re.sub(r"\\(.)|\*", lambda match: match[1] or WILDCARD, text[1:-1], flags=re.DOTALL)
