"""When rules are in force: seconds after the gateway's start, or instants of its own present."""

from datetime import UTC, datetime
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator

_LONGEST_SECONDS = 366 * 86_400


class Moment(NamedTuple):
    """What time it is for the rules.

    Attributes:
        elapsed: seconds since the gateway's start.
        now: the gateway's present, aware.
    """

    elapsed: float
    now: datetime

    def has_reached(self, when: "float | datetime") -> bool:
        """Tell whether it is this time or later."""
        return self.now >= when if isinstance(when, datetime) else self.elapsed >= when


def _when(value: object) -> float | datetime:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LONGEST_SECONDS:
        return float(value)
    message = "it should be seconds after the start, such as 30, or a time of the replay, such as 2013-02-28T16:00:00Z"
    raise ValueError(message)


When = Annotated[float | datetime, BeforeValidator(_when)]
"""Seconds after the gateway's start, or an instant of its present, UTC where no zone is given."""
