"""Points that are in the store only, by the revisions at which they were shown."""

import struct
from collections.abc import Collection
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, RowMapping, func, select, tuple_

from services.operations.blocks import unpack
from services.operations.schema import metric_blocks
from services.operations.store_reader import Snapshot, StoreReader
from services.operations.watching.recent_points import ShownPoints

_KEYS_AT_ONCE: Final = 100
_ONE_MARK: Final = 16  # bytes
_KEY: Final = (
    metric_blocks.c.operation_id,
    metric_blocks.c.attempt,
    metric_blocks.c.incarnation,
    metric_blocks.c.first_seq,
)


class MergedBlock(NamedTuple):
    """A block of points that were shown at different revisions.

    Attributes:
        marks: Pairs of numbers of 8 bytes: a sequence number, and the revision at which the rows up to it were shown.
    """

    operation_id: str
    attempt: int
    incarnation: str
    values: int
    revision: int
    marks: bytes
    data: bytes

    def revisions(self) -> tuple[int, ...]:
        """Return the revisions at which its rows were shown, in order."""
        return _revisions(self.marks)


class PointsPage(NamedTuple):
    """All points above one revision and up to `reach`.

    The merged blocks among them also have points of other revisions.
    """

    reach: int
    points: list[ShownPoints]
    merged: list[MergedBlock]


async def points_between(
    reader: StoreReader, after: int, up_to: int, operation_ids: Collection[str], *, blocks: int
) -> PointsPage:
    """Read points with a revision above `after` and not above `up_to`, or the first of them.

    Args:
        reader: Questions to the store.
        after: A revision.
        up_to: A later one.
        operation_ids: Only of these operations; empty for all.
        blocks: About how many blocks to read at most; the points of one revision are never parted.
    """
    revision = metric_blocks.c.revision
    above = [revision > after]
    if operation_ids:
        above.append(metric_blocks.c.operation_id.in_(operation_ids))
    within = [*above, revision <= up_to]
    async with reader.snapshot() as state:  # as small blocks become merged ones all the time
        beyond = await state.rows(select(revision).where(*within).order_by(revision).offset(blocks).limit(1))
        reach = int(beyond[0]["revision"]) if beyond else up_to
        whole = await state.rows(select(metric_blocks).where(*above, revision <= reach).order_by(revision))
        rows = [*whole, *await _reaching_into(state, after, reach, above)]
    return PointsPage(
        reach,
        [_shown(row) for row in rows if row["marks"] is None],
        [_merged(row) for row in rows if row["marks"] is not None],
    )


async def _reaching_into(state: Snapshot, after: int, reach: int, above: list[ColumnElement[bool]]) -> list[RowMapping]:
    """Return merged blocks that end beyond `reach` and have points up to it."""
    first_mark = func.substr(metric_blocks.c.marks, 1, _ONE_MARK).label("first_mark")
    beyond = (*above, metric_blocks.c.revision > reach, metric_blocks.c.marks.is_not(None))
    candidates = await state.rows(select(*_KEY, first_mark).where(*beyond))
    keys = [tuple(row[column.name] for column in _KEY) for row in candidates if _first(row) <= reach]
    found: list[RowMapping] = []
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        chosen = tuple_(*_KEY).in_(keys[start : start + _KEYS_AT_ONCE])
        found += await state.rows(select(metric_blocks).where(chosen, metric_blocks.c.revision > after))
    return found


def _first(row: RowMapping) -> int:
    return _revisions(row["first_mark"])[0]


def _revisions(marks: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(marks) // 8}Q", marks)[1::2]


def _shown(row: RowMapping) -> ShownPoints:
    place = (row["revision"], row["operation_id"], row["attempt"], row["incarnation"])
    return ShownPoints(*place, unpack(row["data"]), row["points"])


def _merged(row: RowMapping) -> MergedBlock:
    place = (row["operation_id"], row["attempt"], row["incarnation"])
    return MergedBlock(*place, row["points"], row["revision"], row["marks"], row["data"])
