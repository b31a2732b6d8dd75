"""Tell a reader everything from its position on, from the store where memory does not go back far enough."""

from collections.abc import AsyncGenerator, Iterable

from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import ServiceError
from services.operations.deletion.tombstones import Tombstone
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import OperationState
from services.operations.registry import Registry
from services.operations.store_reader import StoreReader
from services.operations.watching.messages import Message, messages_of
from services.operations.watching.news import AnyOperation, News, revision_of
from services.operations.watching.pieces import Pieces, Reader
from services.operations.watching.query import Selection
from services.operations.watching.recent_points import RecentPoints
from services.operations.watching.sizes import Sizes
from services.operations.watching.stored_points import PointsPage, points_between


class CatchUp:
    """Reads what changed in pages, each of which ends at a revision that the reader can go on from.

    Args:
        registry: The operations.
        points: The points of the last seconds.
        reader: Questions to the store.
        sizes: How much to take at once.
    """

    def __init__(self, registry: Registry, points: RecentPoints, reader: StoreReader, sizes: Sizes) -> None:
        self._sizes = sizes
        self._registry = registry
        self._points = points
        self._reader = reader

    async def messages(
        self, selection: Selection, pieces: Pieces, reader: Reader, *, after: int, up_to: int
    ) -> AsyncGenerator[Message, None]:
        """Yield everything that happened above `after` and not above `up_to`.

        Raises:
            ServiceError: REVISION_OUT_OF_RANGE: deletions have been forgotten that the reader has to be told of.
        """
        position = after
        while position < up_to:
            news = await self._page(selection, position, up_to)
            if not reader.knows_nothing:
                require_in_range(self._registry, position)  # they may have been forgotten while they were looked for
            told = pieces.of(news, reader)
            for message in messages_of(told, position, news.up_to, self._sizes.message_bytes):
                yield message
            position = news.up_to

    async def _page(self, selection: Selection, after: int, up_to: int) -> News:
        while True:
            floors = self._floors(selection)
            news = await self._stored(selection, after, up_to)
            # What memory had when the store was asked may have been dropped since: then the store has it now.
            if all(before > after or now <= after for before, now in zip(floors, self._floors(selection), strict=True)):
                return self._with_memory(news, selection)

    def _floors(self, selection: Selection) -> tuple[int, ...]:
        floors = (self._registry.index.floor, self._registry.deleted.floor)
        return (*floors, self._points.floor) if selection.include_metrics else floors

    async def _stored(self, selection: Selection, after: int, up_to: int) -> News:
        """Return what the store has to tell, up to where it had to be asked and memory begins."""
        reach, ended = await self._ended(selection, after, up_to)
        reach, tombstones = await self._tombstones(after, reach)
        page = PointsPage(reach, [], [])
        if selection.include_metrics and after < (floor := self._points.floor):
            await self._registry.points_stored(min(floor, reach))
            page = await points_between(
                self._reader, after, min(floor, reach), selection.operation_ids, blocks=self._sizes.blocks
            )
        known = {operation.record.id for operation in ended}
        absent = {*(one.operation_id for one in page.points), *(one.operation_id for one in page.merged)} - known
        found: dict[str, AnyOperation] = {state.record.id: state for state in ended}
        found.update({one: live for one in absent if (live := self._registry.index.get(one)) is not None})
        missing = sorted(absent - set(found))
        found.update({state.record.id: state for state in await self._reader.operations(missing)})
        return News(after, page.reach, ended, tombstones, page.points, page.merged, found)

    async def _ended(self, selection: Selection, after: int, up_to: int) -> tuple[int, list[OperationState]]:
        floor = min(self._registry.index.floor, up_to)
        if after >= floor:
            return up_to, []
        if selection.operation_ids:
            named = await self._reader.operations(sorted(selection.operation_ids))
            return floor, [state for state in named if state.ended and after < state.record.revision <= floor]
        ended = await self._reader.ended_after(after, floor, self._sizes.operations)
        return (ended[-1].record.revision if len(ended) == self._sizes.operations else floor), ended

    async def _tombstones(self, after: int, up_to: int) -> tuple[int, list[Tombstone]]:
        floor = min(self._registry.deleted.floor, up_to)
        if after >= floor:
            return up_to, []
        found = await self._reader.tombstones_between(after, floor, self._sizes.tombstones)
        return (found[-1].revision if len(found) == self._sizes.tombstones else floor), found

    def _with_memory(self, news: News, selection: Selection) -> News:
        registry, after, up_to = self._registry, news.after, news.up_to
        changed: dict[str, AnyOperation] = {operation.record.id: operation for operation in _up_to(news)}
        # An operation that changed again meanwhile is in memory as it is now.
        changed.update({operation.id: operation for operation in registry.index.changed(after, up_to)})
        tombstones = {one.operation_id: one for one in news.tombstones if one.revision <= up_to}
        tombstones.update({one.operation_id: one for one in registry.deleted.between(after, up_to)})
        recent = self._points.between(after, up_to) if selection.include_metrics else []
        return News(
            after,
            up_to,
            sorted((one for one in changed.values() if _is_latest(one, registry)), key=revision_of),
            sorted(tombstones.values(), key=lambda one: one.revision),
            [*news.points, *recent],
            news.merged,
            news.absent,
        )


def require_in_range(registry: Registry, revision: int) -> None:
    """Check that a reader can go on from a revision; 0 begins with everything.

    Raises:
        ServiceError: REVISION_OUT_OF_RANGE.
    """
    latest, oldest = registry.revisions.latest, registry.deleted.compacted
    if 0 < revision < oldest or revision > latest:
        raise ServiceError(
            ErrorReason.ERROR_REASON_REVISION_OUT_OF_RANGE,
            revision=revision,
            oldest_revision=oldest,
            latest_revision=latest,
        )


def _up_to(news: News) -> Iterable[AnyOperation]:
    return (operation for operation in news.operations if operation.record.revision <= news.up_to)


def _is_latest(operation: AnyOperation, registry: Registry) -> bool:
    """Tell whether an operation is as it was read: what has changed since is told later."""
    return isinstance(operation, LiveOperation) or registry.index.get(operation.record.id) is None
