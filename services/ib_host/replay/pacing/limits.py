"""How fast a client may ask."""

from dataclasses import dataclass
from enum import StrEnum


class PacingMode(StrEnum):
    """Which requests for history the windows apply to."""

    OFF = "off"
    """None; what is asked is only counted."""
    IB = "ib"
    """Those for bars of 30 seconds or less, as IB has it."""
    STRICT = "strict"
    """All, so that daily bars can show how a client keeps to the rules."""


@dataclass(frozen=True, slots=True)
class PacingLimits:
    """The limits; those of IB, unless others are given.

    Attributes:
        scale: what all times below are multiplied by; 0.01 makes ten minutes six seconds.
        identical_seconds: the same request again within this time is a violation.
        most_of_contract, contract_seconds: so are more requests for one contract, exchange and kind of price in this
            time. IB's words are "six or more within two seconds".
        most_in_all, all_seconds: so are more requests in all.
        most_open: more that wait for an answer at once are refused.
        most_messages, messages_seconds: more messages of one client in this time are refused.
        strikes: so many refused messages end the connection.
        tolerance_seconds: how much shorter the windows are than the rules, not scaled, for machines whose scheduling
            is coarse beside scaled windows.
    """

    scale: float = 1.0
    identical_seconds: float = 15.0
    most_of_contract: int = 5
    contract_seconds: float = 2.0
    most_in_all: int = 60
    all_seconds: float = 600.0
    most_open: int = 50
    most_messages: int = 50
    messages_seconds: float = 1.0
    strikes: int = 3
    tolerance_seconds: float = 0.0

    def window_seconds(self, seconds: float) -> float:
        """Return how long a window of `seconds` is for this gateway."""
        return max(0.0, seconds * self.scale - self.tolerance_seconds)
