"""What a reader of a host's status asks for."""

from dataclasses import dataclass, replace
from typing import Final, Self

DEFAULT_PAGE_POINTS: Final = 20_000


@dataclass(frozen=True)
class StatusQuery:
    """A question for what changed.

    Attributes:
        cursor: Where the reader stands; empty for everything.
        session_ids: Only these sessions; empty for all.
        page_points: Most points in an answer; 0 for the default.
        raw_rows: Points are wanted as raw rows.
    """

    cursor: bytes = b""
    session_ids: frozenset[str] = frozenset()
    page_points: int = 0
    raw_rows: bool = False

    def after(self, cursor: bytes) -> Self:
        """Return the same question from where an answer has led."""
        return replace(self, cursor=cursor)
