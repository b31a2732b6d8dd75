"""Stores with histories, for the benchmark of reading them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.clock import SystemClock
from services.operations.blocks import build_series, pack
from services.operations.changes import Changes
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import Delivery, OperationState
from services.operations.registry import Registry
from services.operations.store import Store

NAMES: Final = tuple(f"metric_{number}" for number in range(8))
FIRST_TIME_NS: Final = 1_764_000_000_000_000_000

Block = tuple[int, int, int, bytes]
"""First and last sequence number, points, content."""


@dataclass
class World:
    """A store with histories."""

    path: Path
    store: Store
    registry: Registry

    async def operation(self, operation_id: str) -> LiveOperation:
        """Add an operation at work."""
        record = pb.Operation(id=operation_id, attempt=1, state=pb.Operation.State.STATE_RUNNING)
        record.create_time.FromDatetime(SystemClock().now())
        operation = LiveOperation(OperationState(record, Delivery.ACCEPTED, host_uid="uid"))
        await self.registry.insert(operation)
        return operation

    async def end(self, operation: LiveOperation) -> None:
        """Let an operation end."""
        now = SystemClock().now()
        await self.registry.change(operation, lambda state: state.end(pb.Operation.State.STATE_COMPLETED, now))

    async def write(self, operation: LiveOperation, blocks: Sequence[Block]) -> None:
        """Add blocks."""
        key: dict[str, str | int] = {"operation_id": operation.id, "attempt": 1, "incarnation": "a" * 32}
        changes = Changes(journals=[{**key, "ordinal": 0, "next_seq": blocks[-1][1] + 1}])
        for first, last, points, data in blocks:
            place = {"first_seq": first, "last_seq": last, "points": points}
            revision = self.registry.revisions.issue()
            changes.metric_blocks.append({**key, **place, "revision": revision, "marks": None, "data": data})
        await self.store.write(changes)
        operation.positions.next_seq["a" * 32] = blocks[-1][1] + 1


def small_blocks(rows: int, seed: int = 1) -> list[Block]:
    """Return a history of 8 metrics, a block for each row."""
    values = np.random.default_rng(seed).normal(size=(rows, len(NAMES))).tolist()
    return [
        (
            seq,
            seq,
            len(NAMES),
            pack(
                [
                    build_series(name, [seq], [seq], [row[place]], [FIRST_TIME_NS + seq * 10**9])
                    for place, name in enumerate(NAMES)
                ]
            ),
        )
        for seq, row in enumerate(values)
    ]


def long_history(points: int) -> list[Block]:
    """Return a long history of one metric, a block for each 500 rows."""
    values = np.random.default_rng(2).normal(size=points)
    values[points // 3] = np.nan
    found = []
    for start in range(0, points, 500):
        seqs = list(range(start, min(start + 500, points)))
        series = build_series("loss", seqs, seqs, values[seqs].tolist(), [FIRST_TIME_NS + seq for seq in seqs])
        found.append((seqs[0], seqs[-1], len(seqs), pack([series])))
    return found


@asynccontextmanager
async def world_in(folder: Path) -> AsyncIterator[World]:
    """Open a store while the block runs."""
    path = folder / "operations.sqlite3"
    store = await Store.open(path)
    try:
        yield World(path, store, await Registry.load(store, SystemClock()))
    finally:
        await store.close()
