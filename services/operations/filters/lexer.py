"""Cut the text of a filter into tokens."""

import re
from enum import Enum
from typing import Final, NamedTuple

_PATTERN: Final = re.compile(
    r"""(?P<space>\s+)
    |(?P<open>\()
    |(?P<close>\))
    |(?P<not_equal>!=)
    |(?P<equal>=)
    |(?P<quoted>"(?:[^"\\]|\\["\\])*")
    |(?P<word>[^\s()=!"]+)""",
    re.VERBOSE,
)


class TokenKind(Enum):
    """What a token is."""

    OPEN = "open"
    CLOSE = "close"
    EQUAL = "equal"
    NOT_EQUAL = "not_equal"
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

    Raises:
        FilterSyntaxError: A character fits nowhere, or a quoted text is not closed.
    """
    found: list[Token] = []
    position = 0
    while position < len(text):
        match = _PATTERN.match(text, position)
        if match is None:
            problem = "the quoted text is not closed" if text[position] == '"' else f"unexpected {text[position]!r}"
            raise FilterSyntaxError(position + 1, problem)
        if match.lastgroup != "space":
            kind = TokenKind(match.lastgroup)
            found.append(Token(kind, _meaning(kind, match[0]), position + 1))
        position = match.end()
    found.append(Token(TokenKind.END, "the end", len(text) + 1))
    return found


def _meaning(kind: TokenKind, text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if kind is TokenKind.QUOTED else text
