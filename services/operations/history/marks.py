"""Which rows of a merged block were shown at which revision.

Marks are pairs of little-endian numbers of 8 bytes, in order: the last sequence number of the rows that were shown
together, and their revision. So a watch that has seen some of the rows gets the others, and none twice.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

_LAST_SEQ: Final = 0
_REVISION: Final = 1


class ShownRows(NamedTuple):
    """Rows from one sequence number to below another.

    Attributes:
        first_seq: Sequence number of the first.
        end_seq: The one after the last; None for all that follow.
    """

    first_seq: int
    end_seq: int | None

    @property
    def everything(self) -> bool:
        """No row of the block is left out."""
        return self.first_seq == 0 and self.end_seq is None


class MarkedBlock(NamedTuple):
    """What marks are made from.

    Attributes:
        last_seq: Last sequence number of the block.
        revision: Revision at which its last row was shown.
        marks: Its marks, None if it has none.
    """

    last_seq: int
    revision: int
    marks: bytes | None


def marks_of(blocks: Iterable[MarkedBlock]) -> bytes:
    """Return the marks of blocks that follow each other, as one block."""
    parts = [
        _pairs(block.marks) if block.marks else np.array([(block.last_seq, block.revision)], "<u8") for block in blocks
    ]
    pairs = np.concatenate(parts)
    last_of_revision = np.append(pairs[1:, _REVISION] != pairs[:-1, _REVISION], True)
    marks: bytes = pairs[last_of_revision].tobytes()
    return marks


def rows_shown_between(marks: bytes | None, revision: int, after: int, up_to: int) -> ShownRows | None:
    """Return which rows of a block were shown at revisions above `after` and not above `up_to`; None if none were."""
    if not marks:
        return ShownRows(0, None) if after < revision <= up_to else None
    pairs = _pairs(marks)
    revisions = pairs[:, _REVISION]
    first = int(revisions.searchsorted(np.uint64(max(after, 0)), "right")) if after >= 0 else 0
    end = int(revisions.searchsorted(np.uint64(max(up_to, 0)), "right"))
    if first >= end:
        return None
    first_seq = int(pairs[first - 1, _LAST_SEQ]) + 1 if first else 0
    return ShownRows(first_seq, None if end == len(pairs) else int(pairs[end - 1, _LAST_SEQ]) + 1)


def _pairs(marks: bytes) -> NDArray[np.uint64]:
    return np.frombuffer(marks, "<u8").reshape(-1, 2)
