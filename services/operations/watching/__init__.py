"""Streams of changed operations."""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.clock import Clock
from services.common.errors import ServiceError
from services.common.watches import WatchLimit
from services.operations.demand import Demand
from services.operations.filters import Expression, matches
from services.operations.live_operation import LiveOperation
from services.operations.message_size import MESSAGE_BYTES
from services.operations.operation_state import OperationState
from services.operations.presenter import Presenter
from services.operations.registry import Registry
from services.operations.store_reader import StoreReader

_SHORTEST_LIFE_SECONDS: Final = 300.0
_LONGEST_LIFE_SECONDS: Final = 600.0
_STORE_PAGE: Final = 200


@dataclass(frozen=True)
class WatchQuery:
    """What a watch is interested in.

    Attributes:
        after_revision: Only changes after it; 0 for everything.
        expression: Only operations that match.
        operation_ids: Only these; empty for all.
        heartbeat_seconds: Longest silence.
    """

    after_revision: int
    expression: Expression
    operation_ids: Collection[str]
    heartbeat_seconds: float


class Watching:
    """Serves watches. A watch is a position in the order of revisions, and reads the latest states beyond it.

    So a slow reader costs nothing and misses no operation; it only sees fewer of the states in between.

    Args:
        registry: The operations.
        reader: Questions to the store.
        presenter: Tells operations.
        demand: Is told that somebody watches.
        limit: Most watches at the same time.
        stopping: Set when the server stops.
        clock: The time.
        rng: Chooses how long a watch lives, so that watches that began together do not come back together.
    """

    def __init__(
        self,
        registry: Registry,
        reader: StoreReader,
        presenter: Presenter,
        demand: Demand,
        limit: WatchLimit,
        stopping: asyncio.Event,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._registry = registry
        self._reader = reader
        self._presenter = presenter
        self._demand = demand
        self._limit = limit
        self._stopping = stopping
        self._clock = clock
        self._rng = rng

    async def watch(self, query: WatchQuery) -> AsyncGenerator[pb.WatchOperationsResponse, None]:
        """Stream what changed, a bookmark, and changes as they come, until the server stops or some minutes are over.

        Raises:
            ServiceError: REVISION_OUT_OF_RANGE or TOO_MANY_WATCHES.
        """
        self._check(query.after_revision)
        end = self._clock.monotonic() + self._rng.uniform(_SHORTEST_LIFE_SECONDS, _LONGEST_LIFE_SECONDS)
        # Subscribed before the first read: a change in between wakes the watch instead of being missed.
        with self._limit.hold(), self._demand.hold(), self._registry.index.subscription() as changed:
            position = query.after_revision
            bookmark_at = float("-inf")  # the first bookmark closes the snapshot
            while True:
                changed.clear()
                target = self._registry.revisions.visible
                async for response in self._between(position, target, query):
                    yield response
                    if bookmark_at > float("-inf"):
                        bookmark_at = self._clock.monotonic() + query.heartbeat_seconds
                position = max(position, target)
                if self._clock.monotonic() >= bookmark_at:
                    yield pb.WatchOperationsResponse(revision=position, bookmark=True)
                    bookmark_at = self._clock.monotonic() + query.heartbeat_seconds
                if self._stopping.is_set() or self._clock.monotonic() >= end:
                    return
                await _wait(changed, min(bookmark_at, end) - self._clock.monotonic())

    def _check(self, after_revision: int) -> None:
        latest = self._registry.revisions.latest
        if after_revision > latest:
            raise ServiceError(
                ErrorReason.ERROR_REASON_REVISION_OUT_OF_RANGE,
                revision=after_revision,
                oldest_revision=0,
                latest_revision=latest,
            )

    async def _between(
        self, position: int, target: int, query: WatchQuery
    ) -> AsyncIterator[pb.WatchOperationsResponse]:
        """Yield the operations whose revision is above `position` and not above `target`."""
        index = self._registry.index
        while position < min(index.floor, target):
            ended = await self._reader.ended_after(position, min(index.floor, target), _STORE_PAGE)
            reached = ended[-1].record.revision if len(ended) == _STORE_PAGE else min(index.floor, target)
            merged: list[LiveOperation | OperationState] = [*ended, *index.changed(position, reached)]
            for response in self._messages(sorted(merged, key=_revision), reached, query):
                yield response
            position = reached
        for response in self._messages(index.changed(position, target), target, query):
            yield response

    def _messages(
        self, operations: Iterable[LiveOperation | OperationState], up_to: int, query: WatchQuery
    ) -> Iterator[pb.WatchOperationsResponse]:
        response, size = pb.WatchOperationsResponse(), 0
        for operation in operations:
            record = operation.record
            # What has changed again since it was looked up is told later, at its new revision.
            if record.revision > up_to or not _wanted(record, query):
                continue
            told = self._presenter.present(operation)
            if response.operations and size + told.ByteSize() > MESSAGE_BYTES:
                yield response
                response, size = pb.WatchOperationsResponse(), 0
            response.operations.append(told)
            response.revision = told.revision
            size += told.ByteSize()
        if response.operations:
            response.revision = up_to
            yield response


def _revision(operation: LiveOperation | OperationState) -> int:
    return operation.record.revision


def _wanted(record: pb.Operation, query: WatchQuery) -> bool:
    named = not query.operation_ids or record.id in query.operation_ids
    return named and matches(query.expression, record)


async def _wait(changed: asyncio.Event, seconds: float) -> None:
    """Wait until something has changed, for `seconds` at most."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await changed.wait()
