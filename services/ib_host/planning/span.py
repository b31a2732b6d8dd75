"""A stretch of time."""

from datetime import datetime
from typing import NamedTuple


class Span(NamedTuple):
    """[start, end): aware instants, UTC.

    Attributes:
        start: the first instant.
        end: the first instant after it.
    """

    start: datetime
    end: datetime
