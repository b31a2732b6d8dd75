"""The unit that stores what is known of a host."""

from collections.abc import Callable, Sequence

from services.operations.changes import Changes
from services.operations.followed_host import FollowedHost


class HostUnit:
    """Stores the row of a host.

    Args:
        host: The host, as it is when the transaction begins; None if rows are only removed.
        removed: Names of hosts whose rows are removed.
        undo: Called if it was not stored.
    """

    def __init__(
        self, host: FollowedHost | None, *, removed: Sequence[str] = (), undo: Callable[[], None] = lambda: None
    ) -> None:
        self._host = host
        self._removed = removed
        self._undo = undo

    def prepare(self, changes: Changes) -> None:
        """Add the rows."""
        changes.removed_hosts.extend(self._removed)
        if self._host is not None:
            changes.hosts.append(self._host.row())

    def committed(self) -> None:
        """Nothing follows."""

    def failed(self) -> None:
        """Take it back."""
        self._undo()
