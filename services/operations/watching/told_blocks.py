"""Points of merged blocks, as far as they belong to the time that is told."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from services.operations.blocks import rows_between
from services.operations.watching.recent_points import ShownPoints
from services.operations.watching.stored_points import MergedBlock

VALUE_BYTES: Final = 24
"""What a point takes in a message, at most: value, time, step and sequence number."""
_CUTS: Final = 16
"""A block can be parted between messages at this many places."""


class ToldBlock(NamedTuple):
    """A block, and the series that are wanted of it; all if none are named."""

    block: MergedBlock
    series: frozenset[str]

    def cuts(self, after: int, up_to: int) -> Iterator[tuple[int, int]]:
        """Yield (revision, bytes that come at it or since the one before), so that messages can be cut to size."""
        revisions = [revision for revision in self.block.revisions() if after < revision <= up_to]
        step = max(1, len(revisions) // _CUTS)
        chosen = revisions[step - 1 :: step]
        if revisions and chosen[-1] != revisions[-1]:
            chosen.append(revisions[-1])
        share = len(revisions) / max(1, len(self.block.revisions()))
        for revision in chosen:
            yield revision, round(VALUE_BYTES * self.block.values * share / len(chosen))

    def between(self, after: int, up_to: int) -> ShownPoints | None:
        """Return the points that were shown above `after` and not above `up_to`, None if there are none."""
        block = self.block
        rows = rows_between(block.data, block.marks, block.revision, after, up_to)
        wanted = [one for one in rows if one.name in self.series] if self.series else rows
        if not wanted:
            return None
        values = sum(len(one.values) for one in wanted)
        return ShownPoints(up_to, block.operation_id, block.attempt, block.incarnation, wanted, values)
