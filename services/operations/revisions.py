"""The registry's counter of changes."""

from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import ServiceError

_BLOCK: Final = 1_000_000


class Revisions:
    """Issues revisions: each change of any operation gets the next one.

    Two rules keep watches free of gaps and repeats:

    - Revisions are reserved in durable blocks before they are issued, and a restart begins above the last block. So no
      revision is issued twice, although not each change is stored before it is shown.
    - A change that must be stored before it is shown gets its revision when its transaction begins, and holds back
      (`visible`) all that come after it until the transaction has ended. So changes become visible in their order.

    Args:
        limit: Highest revision that an earlier life may have issued.
    """

    def __init__(self, limit: int) -> None:
        self._last = limit
        self._limit = limit
        self._held: set[int] = set()

    @property
    def visible(self) -> int:
        """The highest revision up to which everything may be shown."""
        return min(self._held) - 1 if self._held else self._last

    @property
    def latest(self) -> int:
        """The highest revision that was issued. Single records may tell it before everything up to it may be shown."""
        return self._last

    def wanted_limit(self) -> int | None:
        """Return the limit that the next transaction should store, None while there is room enough."""
        return self._last + _BLOCK if self._limit - self._last < _BLOCK // 2 else None

    def extend(self, limit: int) -> None:
        """Allow revisions up to `limit`, which has been stored."""
        self._limit = max(self._limit, limit)

    def issue(self) -> int:
        """Return the next revision.

        Raises:
            ServiceError: STORAGE_FULL: the reserved block is used up, because the store has taken nothing for long.
        """
        if self._last >= self._limit:
            raise ServiceError(ErrorReason.ERROR_REASON_STORAGE_FULL, path="the store of the operations service")
        self._last += 1
        return self._last

    def hold(self) -> int:
        """Return the next revision, and hold it and all later ones back until `release`."""
        revision = self.issue()
        self._held.add(revision)
        return revision

    def release(self, revision: int) -> None:
        """Let a revision be shown, or forgotten."""
        self._held.discard(revision)
