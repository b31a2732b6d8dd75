"""The client ids that the host connects with."""

from collections.abc import Sequence
from typing import Final

from services.common.clock import Clock

_MOST: Final = 8
_REST_SECONDS: Final = 45.0
"""A gateway that lost a connection without noticing gives its id back after half a minute or so."""


class ClientIds:
    """Eight client ids in a row. One that the gateway refused is left alone for a while; then it is tried first again.

    Args:
        first: the one to be used if possible.
        clock: for the while.
    """

    def __init__(self, first: int, clock: Clock) -> None:
        self._ids = range(first, first + _MOST)
        self._clock = clock
        self._refused_at: dict[int, float] = {}

    @property
    def first(self) -> int:
        """The one to be used if possible."""
        return self._ids[0]

    @property
    def last(self) -> int:
        """The last one that is tried."""
        return self._ids[-1]

    def candidates(self) -> Sequence[int]:
        """Return the ids to try now, in order; when all were refused lately, the one that was refused first."""
        now = self._clock.monotonic()
        free = [each for each in self._ids if now - self._refused_at.get(each, float("-inf")) >= _REST_SECONDS]
        return free or [min(self._ids, key=lambda each: self._refused_at[each])]

    def refused(self, client_id: int) -> None:
        """Take the news that another connection has an id."""
        self._refused_at[client_id] = self._clock.monotonic()

    def taken(self, client_id: int) -> None:
        """Take the news that an id was given to the host."""
        self._refused_at.pop(client_id, None)
