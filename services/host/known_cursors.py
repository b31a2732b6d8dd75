"""Remember what this host has just answered, so that the next answer begins there."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from services.host.cursor import Cursor
from services.host.session import HostedSession

_MOST_CURSORS: Final = 64
_MOST_POSITIONS: Final = 50_000
"""Some megabytes: a snapshot of very many sessions takes a number of answers, each with a long cursor."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a reader stands.

    Attributes:
        cursor: Its cursor.
        revision: Live sessions that have not changed after this revision, and are not behind, hold nothing for it; -1
            where that is not known.
        removals: Number of removed sessions, when the cursor was made.
        behind: Live sessions that the reader has not been told of completely.
    """

    cursor: Cursor
    revision: int = -1
    removals: int = -1
    behind: frozenset[HostedSession] = frozenset()


class KnownCursors:
    """Cursors that were issued lately, decoded, with what the host knew then.

    Nothing depends on a cursor being found here: whatever is not is decoded, and compared with all live sessions.
    """

    def __init__(self) -> None:
        self._standings: OrderedDict[bytes, Standing] = OrderedDict()
        self._positions = 0

    def find(self, encoded: bytes) -> Standing | None:
        """Return where the reader stands that comes with a cursor."""
        standing = self._standings.get(encoded)
        if standing is not None:
            self._standings.move_to_end(encoded)
        return standing

    def keep(self, encoded: bytes, standing: Standing) -> None:
        """Remember a cursor; the one that was not used for the longest time is forgotten for it."""
        known = self._standings.pop(encoded, None)
        self._positions += _size(standing) - (0 if known is None else _size(known))
        self._standings[encoded] = standing
        while len(self._standings) > _MOST_CURSORS or self._positions > _MOST_POSITIONS:
            _, forgotten = self._standings.popitem(last=False)
            self._positions -= _size(forgotten)


def _size(standing: Standing) -> int:
    return len(standing.cursor.sessions)
