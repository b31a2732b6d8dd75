"""The history of operations' metrics."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, NamedTuple, TypeVar

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.errors import FieldViolation, ServiceError
from services.common.page_tokens import decode_page_token, encode_page_token
from services.operations.history.answer import encoded
from services.operations.history.block_reader import BlockReader
from services.operations.history.blocks import tables_in
from services.operations.history.journal import Journal
from services.operations.history.overview import CurvePlace, Overview, curves_of
from services.operations.history.page import Page
from services.operations.history.query import DEFAULT_POINTS, MOST_POINTS, MetricQuery, refuse
from services.operations.history.selection import Selection
from services.operations.history.tables import Table
from services.operations.live_operation import LiveOperation
from services.operations.registry import Registry
from services.operations.store_reader import StoreReader

_PAGE_BYTES: Final = 4 * 2**20
_OVERVIEW_BYTES: Final = 16 * 2**20
"""Bytes of blocks to read at once, about."""
_AT_ONCE_BYTES: Final = 2**20
"""Bytes of blocks that are worked on in the event loop, which takes a millisecond or two; for more the work moves to a
thread."""

_Result = TypeVar("_Result")


class _Place(NamedTuple):
    """Where a page begins.

    Attributes:
        operation: Place of the operation among those that are asked for.
        attempt: Its attempt, 0 if it is still to be found out.
        ordinal: Place of the journal in the attempt.
        seq: Sequence number of the first row in it.
        name: The first series in it, where points are left out.
    """

    operation: int = 0
    attempt: int = 0
    ordinal: int = 0
    seq: int = 0
    name: str = ""


class MetricHistories:
    """Reads histories.

    Args:
        registry: The operations.
        reader: Questions to the store.
    """

    def __init__(self, registry: Registry, reader: StoreReader) -> None:
        self._registry = registry
        self._reader = BlockReader(reader)

    async def query(self, query: MetricQuery) -> bytes:
        """Return a page of points, or of curves with points left out, as the bytes of a `QueryMetricsResponse`.

        Raises:
            ServiceError: OPERATION_NOT_FOUND, INVALID_REQUEST or PAGE_TOKEN_INVALID.
        """
        query.check()
        place = _decoded(query)
        attempts = await self._attempts(query, place)
        read = self._overview if query.max_points else self._page
        collected, next_place = await read(query, attempts, place)
        rest = pb.QueryMetricsResponse()
        if len(query.ids) == 1:
            rest.attempt = attempts[0]
        if next_place is not None:
            rest.next_page_token = encode_page_token(query.binding, list(next_place))
        return await _work(collected.size, encoded, collected.points, rest, query.raw_rows)

    async def _attempts(self, query: MetricQuery, place: _Place) -> Sequence[int]:
        """Return the attempt that is meant of each operation, 0 of those that the page begins after."""
        attempts, at_work = [0] * place.operation, list[LiveOperation]()
        for operation_id in query.ids[place.operation :]:
            operation = await self._registry.get(operation_id)
            at_work += [operation] if isinstance(operation, LiveOperation) else []
            latest = operation.record.attempt
            if query.attempt > latest:
                refuse([FieldViolation("attempt", f"0 for the latest, or 1 to {latest}")])
            attempts.append(query.attempt or latest)
        if place.attempt:
            attempts[place.operation] = place.attempt  # whoever reads on stays with it when there is a retry in between
        if at_work:
            # Whoever has seen a point in the operation's record also finds it here.
            await self._registry.settled(*at_work)
        return attempts

    async def _page(self, query: MetricQuery, attempts: Sequence[int], place: _Place) -> tuple[Page, _Place | None]:
        selection = Selection.of(query)
        page = Page(selection, min(query.page_size or DEFAULT_POINTS, MOST_POINTS), raw_rows=query.raw_rows)
        async for index, journal in self._journals(query, attempts, place):
            begun = (index, journal.ordinal) == (place.operation, place.ordinal)
            page.begin(journal, max(selection.first_seq, place.seq if begun else 0))
            async for blocks in self._reader.run(journal, page.seq, selection.end_seq, most_bytes=_PAGE_BYTES):
                await _work(blocks.size, page.add, blocks.data, blocks.last_seq)
                if page.full:
                    return page, _Place(index, journal.attempt, journal.ordinal, page.seq)
        return page, None

    async def _overview(
        self, query: MetricQuery, attempts: Sequence[int], place: _Place
    ) -> tuple[Overview, _Place | None]:
        overview = Overview(raw_rows=query.raw_rows)
        for index in range(place.operation, len(query.ids)):
            found, read = await self._attempt(query, query.ids[index], attempts[index])
            curves = await _work(read, curves_of, found, query.max_points)
            if index == place.operation:
                curves = [curve for curve in curves if curve.place >= CurvePlace(place.ordinal, place.name)]
            left = overview.add(curves)
            if left is not None:
                return overview, _Place(index, attempts[index], left.place.ordinal, 0, left.place.name)
        return overview, None

    async def _attempt(
        self, query: MetricQuery, operation_id: str, attempt: int
    ) -> tuple[list[tuple[Journal, list[Table]]], int]:
        """Return all wanted points of an attempt, by journal, and the number of bytes that were read."""
        selection, found, size = Selection.of(query), [], 0
        for journal in await self._reader.journals(operation_id, attempt):
            tables: list[Table] = []
            start = selection.first_seq
            async for blocks in self._reader.run(journal, start, selection.end_seq, most_bytes=_OVERVIEW_BYTES):
                tables += await _work(blocks.size, _selected, selection, blocks.data, start)
                start = blocks.last_seq + 1
                size += blocks.size
            found.append((journal, tables))
        return found, size

    async def _journals(
        self, query: MetricQuery, attempts: Sequence[int], place: _Place
    ) -> AsyncIterator[tuple[int, Journal]]:
        for index in range(place.operation, len(query.ids)):
            for journal in await self._reader.journals(query.ids[index], attempts[index]):
                if index > place.operation or journal.ordinal >= place.ordinal:
                    yield index, journal


def _selected(selection: Selection, blocks: Sequence[bytes], start: int) -> list[Table]:
    return list(selection.of_tables(tables_in(blocks), start=start))


async def _work(size: int, work: Callable[..., _Result], *arguments: object) -> _Result:
    """Do work on so many bytes of blocks where it disturbs nobody."""
    if size <= _AT_ONCE_BYTES:
        return work(*arguments)
    return await asyncio.to_thread(work, *arguments)


def _decoded(query: MetricQuery) -> _Place:
    if not query.page_token:
        return _Place()
    index, attempt, ordinal, seq, name = decode_page_token(query.binding, query.page_token, (int, int, int, int, str))
    place = _Place(int(index), int(attempt), int(ordinal), int(seq), str(name))
    if not 0 <= place.operation < len(query.ids):
        raise ServiceError(ErrorReason.ERROR_REASON_PAGE_TOKEN_INVALID)
    return place
