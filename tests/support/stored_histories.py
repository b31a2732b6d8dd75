"""A real store with operations and their points, for tests of histories."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ktrdr.operations.v1 import operations_pb2 as pb
from sqlalchemy import func, select

from services.operations import schema
from services.operations.changes import Changes
from services.operations.history.histories import MetricHistories
from services.operations.history.merging.merger import Merger
from services.operations.history.query import MetricQuery
from services.operations.live_operation import LiveOperation
from services.operations.new_points import new_points
from services.operations.operation_state import Delivery, OperationState
from services.operations.registry import Registry
from services.operations.store import Store
from tests.support.fake_clock import FakeClock
from tests.support.metric_blocks import Point, Row, block_of_rows, points_of_answer, points_of_rows, series_of_rows


@dataclass
class StoredHistories:
    """A store, the registry on it, and what was written.

    Attributes:
        told: Points of each operation and attempt that were written.
    """

    store: Store
    registry: Registry
    merger: Merger
    told: dict[tuple[str, int], list[Point]] = field(default_factory=dict)

    async def query(self, query: MetricQuery) -> pb.QueryMetricsResponse:
        """Return what a query finds."""
        answer = await MetricHistories(self.registry, self.store.read).query(query)
        return pb.QueryMetricsResponse.FromString(answer)

    async def operation(self, operation_id: str, *, attempt: int = 1) -> LiveOperation:
        """Add an operation at work."""
        record = pb.Operation(id=operation_id, attempt=attempt, state=pb.Operation.State.STATE_RUNNING)
        record.create_time.FromDatetime(FakeClock().now())
        operation = LiveOperation(OperationState(record, Delivery.ACCEPTED, host_uid="uid"))
        await self.registry.insert(operation)
        return operation

    async def end(self, operation: LiveOperation) -> None:
        """Let an operation end."""
        now = FakeClock().now()
        await self.registry.change(operation, lambda state: state.end(pb.Operation.State.STATE_COMPLETED, now))

    async def write(self, operation: LiveOperation, rows: Sequence[Row], journal: str = "x", *, batch: int = 1) -> None:
        """Add rows to a journal, so many to a block."""
        changes = Changes()
        positions, attempt = operation.positions, operation.record.attempt
        key: Mapping[str, str | int] = {"operation_id": operation.id, "attempt": attempt, "incarnation": journal}
        seq = positions.next_seq.get(journal, 0)
        changes.journals.append({**key, "ordinal": positions.ordinal(journal), "next_seq": seq + len(rows)})
        news = []
        for start in range(0, len(rows), batch):
            part = rows[start : start + batch]
            first = seq + start
            points = new_points(positions, journal, series_of_rows(part, first_seq=first))
            if points is not None:
                news.append((points, self.registry.revisions.issue()))
                changes.metric_blocks.append(
                    {
                        **key,
                        "first_seq": points.first_seq,
                        "last_seq": points.last_seq,
                        "points": points.count,
                        "revision": news[-1][1],
                        "marks": None,
                        "data": block_of_rows(part, first_seq=first),
                    }
                )
        await self.store.write(changes)
        positions.next_seq[journal] = seq + len(rows)
        for points, revision in news:
            self.registry.tell_points(operation, points, revision)
        self.told.setdefault((operation.id, attempt), []).extend(points_of_rows(rows, journal, first_seq=seq))

    async def read(self, operation_id: str, *, attempt: int = 0, page_size: int = 0) -> list[Point]:
        """Return all points of an operation, page by page."""
        found: list[Point] = []
        token = ""
        while True:
            query = MetricQuery(operation_id, attempt=attempt, page_size=page_size, page_token=token)
            page = await self.query(query)
            found += points_of_answer(page)
            token = page.next_page_token
            if not token:
                return found

    async def block_count(self, operation_id: str) -> int:
        """Return the number of blocks of an operation."""
        blocks = schema.metric_blocks
        query = select(func.count()).select_from(blocks).where(blocks.c.operation_id == operation_id)
        return int((await self.store.read.tuples(query))[0][0])

    async def merge_all(self) -> None:
        """Merge until there is nothing to merge."""
        while await self.merger.step():
            pass


@asynccontextmanager
async def stored_histories(path: Path) -> AsyncIterator[StoredHistories]:
    """Open a store while the block runs."""
    store = await Store.open(path)
    try:
        registry = await Registry.load(store, FakeClock())
        yield StoredHistories(store, registry, Merger(registry, store, share=1.0))
    finally:
        await store.close()
