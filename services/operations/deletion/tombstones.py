"""Tombstones: which operations were deleted, for those who have known them and have to be told."""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final, NamedTuple

_KEPT: Final = 10_000


class Tombstone(NamedTuple):
    """An operation that was deleted, and the revision of the deletion."""

    operation_id: str
    revision: int


class Deletions:
    """Deletions in the order of their revisions.

    The latest are in memory, all are in the table of deletions until they are compacted.

    Args:
        tombstones: The latest, by revision.
        floor: Deletions at this revision or below are in the store only.
        compacted: Deletions at this revision or below may be forgotten altogether.
        kept: How many to keep in memory.

    Attributes:
        floor: Deletions at this revision or below are in the store only.
        compacted: Deletions at this revision or below may be forgotten: who has read less must begin anew.
    """

    def __init__(
        self,
        tombstones: Iterable[Tombstone] = (),
        *,
        floor: int = 0,
        compacted: int = 0,
        kept: int = _KEPT,
    ) -> None:
        self._recent = list(tombstones)
        self._kept = kept
        self.floor = floor
        self.compacted = compacted

    def add(self, tombstones: Iterable[Tombstone]) -> None:
        """Take note of deletions that are stored, before their revisions are shown. Each call's come by revision."""
        for tombstone in tombstones:
            place = bisect_right(self._recent, tombstone.revision, key=_revision)
            self._recent.insert(place, tombstone)
        if (excess := len(self._recent) - self._kept) > 0:
            self.floor = max(self.floor, self._recent[excess - 1].revision)
            del self._recent[:excess]

    def between(self, after: int, up_to: int) -> list[Tombstone]:
        """Return deletions in memory with a revision above `after` and not above `up_to`, by revision.

        They are all there are only if `after` is not below `floor`; what is at or below it is read from the store.
        """
        first = bisect_right(self._recent, after, key=_revision)
        return self._recent[first : bisect_right(self._recent, up_to, key=_revision)]

    def compact(self, up_to: int) -> None:
        """Forget deletions at `up_to` and below, which the store has forgotten."""
        self.compacted = max(self.compacted, up_to)
        self.floor = max(self.floor, up_to)
        del self._recent[: bisect_right(self._recent, up_to, key=_revision)]


def _revision(tombstone: Tombstone) -> int:
    return tombstone.revision
