"""Those that wait for their turn."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from services.ib_host.pacing.rules import Urgency, Use, Wish
from services.ib_host.pacing.turn import Turn

_PEOPLE_IN_A_ROW = 4


@dataclass(frozen=True)
class PacingWait:
    """How long pacing holds a request back.

    Attributes:
        seconds: until its turn, as far as is known now; 0 once it has it.
        until_sent: given a number of requests like this one, the seconds until the last of them may be sent, from
            whenever it is called.
        waited_seconds: for which it has waited already.
    """

    seconds: float
    until_sent: Callable[[int], float]
    waited_seconds: float = 0.0


@dataclass(eq=False)
class Waiter:
    """Someone who waits for a turn.

    Attributes:
        wish: for what.
        since: when it came, monotonic seconds.
        turn: the turn, once it is given.
        news: what to tell about the wait, and has not been told yet.
        wake: done when there is something new.
    """

    wish: Wish
    since: float
    turn: Turn | None = None
    news: PacingWait | None = None
    wake: "asyncio.Future[None] | None" = None

    def rouse(self) -> None:
        """Let the waiter look."""
        if self.wake is not None and not self.wake.done():
            self.wake.set_result(None)


class WaitingLine:
    """Keeps the order: first come, first served, people before loads, loads never forgotten."""

    def __init__(self) -> None:
        self._people_served = 0
        self._waiting: dict[Urgency, dict[Waiter, None]] = {urgency: {} for urgency in Urgency}

    def __len__(self) -> int:
        return sum(len(line) for line in self._waiting.values())

    def of(self, urgency: Urgency) -> Iterator[Waiter]:
        """Yield those that wait, first come first."""
        yield from self._waiting[urgency]

    def join(self, waiter: Waiter) -> None:
        """Take a place at the end."""
        self._waiting[waiter.wish.urgency][waiter] = None

    def leave(self, waiter: Waiter) -> None:
        """Give the place up."""
        self._waiting[waiter.wish.urgency].pop(waiter, None)

    def window_waits(self, wait: Callable[[Use], float]) -> Sequence[tuple[Waiter, float]]:
        """Return for each that waits how many seconds the windows hold it back; 0 where they don't.

        Who waits for a window is passed by others only if they take nothing from that window. So nobody waits for more
        than those who came before, people who did, and the rules.

        Args:
            wait: tells how long a window holds a request back.
        """
        claimed: dict[str, float] = {}
        known: dict[Use, float] = {}
        waits = []
        for waiter in chain(self.of(Urgency.PERSON), self.of(Urgency.LOAD)):
            longest = 0.0
            for use in waiter.wish.uses:
                if use not in known:  # the same for all that wait for one window
                    known[use] = wait(use)
                seconds = max(known[use], claimed.get(use.key, 0.0))
                if seconds > 0.0:
                    claimed[use.key] = seconds
                longest = max(longest, seconds)
            waits.append((waiter, longest))
        return waits

    def choose(self, person: Waiter | None, load: Waiter | None) -> Waiter | None:
        """Return who goes first of the two that could go now: a person, but after four of them a load."""
        if person is None or load is None:
            self._people_served = 0
            return person or load
        if self._people_served >= _PEOPLE_IN_A_ROW:
            self._people_served = 0
            return load
        self._people_served += 1
        return person
