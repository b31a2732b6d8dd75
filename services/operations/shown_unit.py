"""Stores what a host has told that is shown already, with the cursor up to which it is everything."""

from services.operations.changes import Changes
from services.operations.followed_host import FollowedHost
from services.operations.pacing import first_poll_delay
from services.operations.stored_change import Shelf, add_shown
from services.operations.unstored import Leaving


class ShownUnit:
    """Everything that is shown of one host's operations and not stored yet. Nobody has to wait for it.

    Args:
        shelf: Where operations are.
        host: Whose operations.
        now: Monotonic time.
    """

    def __init__(self, shelf: Shelf, host: FollowedHost, now: float) -> None:
        self._shelf = shelf
        self._host = host
        self._now = now
        self._leaving: Leaving | None = None
        self._cursor = b""
        host.unstored.under_way = True

    def prepare(self, changes: Changes) -> None:
        """Add all that is shown by now, and the cursor of the answer that was shown last."""
        host = self._host
        self._cursor = host.reading.durable_cursor
        if not self._cursor:
            return  # the host is being read anew since: what it tells is stored with its snapshot
        self._leaving = host.unstored.leave()
        for operation in self._leaving.operations.values():
            add_shown(changes, self._shelf, operation)
        changes.hosts.append({**host.row(), "cursor": self._cursor})

    def committed(self) -> None:
        """Take note of what is stored."""
        unstored = self._host.unstored
        unstored.under_way = False
        if self._leaving is not None:
            is_read_anew = not self._host.reading.complete
            cursor = unstored.cursor if is_read_anew else self._cursor
            turn = first_poll_delay(self._host.name, 1.0)
            unstored.stored(self._leaving, cursor, self._now, turn=turn)

    def failed(self) -> None:
        """Let the next answer wait for it: a host is not asked for more than can be stored."""
        unstored = self._host.unstored
        unstored.under_way = False
        unstored.refused = True
        if self._leaving is not None:
            unstored.not_stored(self._leaving)
