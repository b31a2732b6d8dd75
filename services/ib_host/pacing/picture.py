"""How much of IB's limits is used, for those who look."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class WindowPicture(NamedTuple):
    """One of IB's rules.

    Attributes:
        name: what it counts, for people.
        used: what is used of it; where it counts contracts apart, of the fullest.
        limit: what it allows.
        length_seconds: of the stretch of time; None for what is counted while it is open.
    """

    name: str
    used: int
    limit: int
    length_seconds: float | None


@dataclass(frozen=True)
class PacingPicture:
    """Where a budget stands.

    Attributes:
        windows: the rules.
        pause_seconds: for which loads pause after a violation; 0 when they do not.
        slowdown: what the rate is divided by; 1 when all is well.
        waiting: requests that wait for their turn.
        violations: that IB has told of since the last hour without one.
    """

    windows: Sequence[WindowPicture]
    pause_seconds: float
    slowdown: int
    waiting: int
    violations: int
