"""What a host has told that is shown, and not in the store yet.

Whatever cannot be told again is stored before it is shown. Progress and points are stored for all operations of a host
together, every few seconds, with the cursor of the host's last answer. Until then the store has an older cursor, and
after a crash the host tells everything since once more; points that the store has already are known by their numbers.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from services.operations.live_operation import LiveOperation

STORE_EVERY_SECONDS: Final = 20.0
MOST_VALUES: Final = 20_000
"""Values that are kept in memory before they are stored without waiting for the time to come."""
_MOST_WAITING: Final = 2 * MOST_VALUES
"""Values with which a host is not asked for more before they are stored."""


class Leaving(NamedTuple):
    """What is on its way into the store: operations by id, and how many values of points."""

    operations: dict[str, LiveOperation]
    values: int


@dataclass
class Unstored:
    """What is not stored yet of one host.

    Attributes:
        cursor: The host's cursor that the store has.
        operations: Operations that have been told of since, by id, and are not on their way into the store.
        values: Values of points that have come since, and are not on their way either.
        leaving: Values that are on their way.
        stored_at: Monotonic time at which all was stored; None before.
        under_way: It is being stored, or about to be.
        refused: The store did not take it when it was tried last.
    """

    cursor: bytes = b""
    operations: dict[str, LiveOperation] = field(default_factory=dict)
    values: int = 0
    leaving: int = 0
    stored_at: float | None = None
    under_way: bool = False
    refused: bool = False

    @property
    def has_to_be_waited_for(self) -> bool:
        """Tell whether everything has to be stored before the host is asked for more."""
        return not self.cursor or self.stored_at is None or self.refused or self.values + self.leaving > _MOST_WAITING

    def is_due(self, now: float) -> bool:
        """Tell whether it is time to store everything.

        Args:
            now: Monotonic time.
        """
        if self.stored_at is None or self.has_to_be_waited_for or self.values > MOST_VALUES:
            return True
        return now - self.stored_at >= STORE_EVERY_SECONDS

    def leave(self) -> Leaving:
        """Return everything, to be stored now. What is told from here on is not among it, and waits for its turn."""
        leaving = Leaving(self.operations, self.values)
        self.leaving += self.values
        self.operations, self.values = {}, 0
        return leaving

    def stored(self, leaving: Leaving, cursor: bytes, now: float, *, turn: float) -> None:
        """Take note of what is stored.

        Args:
            leaving: What `leave` returned.
            cursor: Cursor up to which everything is.
            now: Monotonic time.
            turn: Share of the interval, 0 to 1, by which the first one is shorter: so that hosts that came together do
                not stay together.
        """
        self.leaving -= leaving.values
        self.cursor = cursor
        self.refused = False
        first = self.stored_at is None
        self.stored_at = now - turn * STORE_EVERY_SECONDS if first else now

    def not_stored(self, leaving: Leaving) -> None:
        """Take back what the store did not take."""
        self.leaving -= leaving.values
        self.values += leaving.values
        self.operations = leaving.operations | self.operations
