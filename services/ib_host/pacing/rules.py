"""IB's pacing rules, and what a request takes from each."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple


class Rule(NamedTuple):
    """At most so much in any stretch of time.

    Attributes:
        most: requests; those for BID_ASK count twice.
        seconds: length of the stretch.
        margin_seconds: kept in addition, as requests travel to the gateway unequally fast.
    """

    most: int
    seconds: float
    margin_seconds: float = 0.0

    @property
    def held_seconds(self) -> float:
        """Time for which a request counts here."""
        return self.seconds + self.margin_seconds


IDENTICAL: Final = Rule(1, 15.0, 0.1)
"""For bars of 30 seconds or less, the same request again within 15 seconds is a violation."""
SERIES: Final = Rule(5, 2.0, 0.05)
"""So are six or more for the same contract, exchange and kind of price within two seconds."""
ALL: Final = Rule(60, 600.0, 1.0)
"""So are more than sixty within ten minutes."""
MESSAGES_PER_SECOND: Final = 44
"""IB takes 50; the client library holds messages back, and sends them in bursts, from 45 on."""
LIMIT_MESSAGES_PER_SECOND: Final = 50
"""What IB takes."""
PAUSE_MESSAGE_SECONDS: Final = 1.0
"""Between two messages of people while loads pause after a violation."""
MOST_OPEN: Final = 50
"""Requests that wait for an answer, of any kind; IB takes so many for history."""
MOST_OPEN_FOR_LOADS: Final = 48
"""The other places are kept for people, who never wait behind long loads."""


class Urgency(Enum):
    """Who waits for the answer."""

    PERSON = "person"
    """Someone looks at a screen, or the host looks after its connection: goes first."""
    LOAD = "load"
    """A load."""


class Use(NamedTuple):
    """What a request takes from one window.

    Attributes:
        key: names the window.
        rule: its rule.
        weight: how much the request counts.
        repeats: whether further requests of the same kind take from this window, too.
        soft: it counts only while requests are sent slower than usual, because IB has complained.
    """

    key: str
    rule: Rule
    weight: int = 1
    repeats: bool = True
    soft: bool = False

    def divisor(self, slowdown: int) -> int:
        """Return what the limit is divided by; 0 where the window does not count.

        Args:
            slowdown: what the rate is divided by, 1 when all is well.
        """
        return slowdown // 2 if self.soft else slowdown


@dataclass(frozen=True)
class Wish:
    """A request that waits for its turn.

    Attributes:
        urgency: who waits for it.
        uses: the windows that it takes from.
        hard: a rule of IB's is behind them, and breaking it is a violation.
    """

    urgency: Urgency
    uses: Sequence[Use] = ()
    hard: bool = False

    @property
    def pauses(self) -> bool:
        """Whether it waits for the end of a pause after a violation: loads, and what is always counted."""
        return self.urgency is Urgency.LOAD or self.counted

    @property
    def counted(self) -> bool:
        """Whether windows count it also when all is well."""
        return any(not use.soft for use in self.uses)


class PacingRules:
    """Tells what requests for history take.

    IB's rules are for bars of 30 seconds or less. It slows down who asks for longer ones too fast, or complains all the
    same: from then on, and until all is well again, they keep to the same rules, in windows of their own.

    Args:
        long_bars: rule for bars longer than 30 seconds, for which IB has no hard one; None for none.
    """

    def __init__(self, *, long_bars: Rule | None = None) -> None:
        self._long_bars = long_bars

    def history(self, *, short_bars: bool, series: Sequence[Hashable], identity: Sequence[Hashable]) -> Wish:
        """Return what a request for bars takes.

        Args:
            short_bars: the bars are of 30 seconds or less.
            series: contract, exchange and kind of price; the last decides whether it counts twice.
            identity: everything that makes requests identical.
        """
        weight, kind = 2 if series[-1] == "BID_ASK" else 1, "" if short_bars else "soft "
        uses: tuple[Use, ...] = (
            Use(f"{kind}all", ALL, weight, soft=not short_bars),
            Use(_named(f"{kind}series", series), SERIES, weight, soft=not short_bars),
            Use(_named(f"{kind}identical", identity), IDENTICAL, repeats=False, soft=not short_bars),
        )
        if not short_bars and self._long_bars is not None:
            uses = (Use("long", self._long_bars, weight), *uses)
        return Wish(Urgency.LOAD, uses, hard=short_bars)


def _named(kind: str, parts: Sequence[Hashable]) -> str:
    return " ".join([kind, *(str(part) for part in parts)])
