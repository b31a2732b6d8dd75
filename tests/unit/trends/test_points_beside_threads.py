"""Points that come at the very moment at which a thread begins to look at those before them are not lost."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest
from ktrdr.host.v1.metrics_pb2 import MetricSeries
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.live_operation import LiveOperation
from services.operations.new_points import NewPoints, PackedPoints
from services.operations.operation_state import OperationState
from services.operations.trends import board
from services.operations.trends.attempt_trends import AttemptTrends
from services.operations.trends.board import TrendBoard
from services.operations.trends.entry import Entry
from services.operations.trends.series_names import DEFAULT_NAMES
from services.operations.trends.thresholds import DEFAULT_THRESHOLDS


def row(seq: int, kind: type[NewPoints] = NewPoints) -> NewPoints:
    series = MetricSeries(name="loss", first_seq=seq, steps=[seq], values=[0.5], times=[seq])
    return kind("a" * 32, (series,), seq, seq, 1)


async def test_a_point_is_looked_at_that_comes_while_a_thread_takes_those_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()
    work: list[Callable[[], object]] = []

    async def begin(function: Callable[..., object], *arguments: object) -> None:
        work.append(lambda: function(*arguments))
        begun.set()
        await ended.wait()

    class Preempted(NewPoints):
        """Points in the middle of whose keeping the thread gets its turn, and comes to its end."""

        def kept(self) -> PackedPoints:
            thread = threading.Thread(target=work.pop())
            thread.start()
            thread.join()
            return super().kept()

    operation = LiveOperation(OperationState(pb.Operation(id="0123456789ab", attempt=1)))
    entry = Entry(operation, AttemptTrends(DEFAULT_THRESHOLDS, DEFAULT_NAMES, keeps_stalls=True), 0.0, ready=True)
    monkeypatch.setattr(board, "asyncio", _Asyncio(begin))
    entry.add(row(0), 0.0)
    looking = asyncio.create_task(TrendBoard._look_in_thread(cast("TrendBoard", None), entry))
    await begun.wait()
    entry.add(row(1, Preempted), 0.0)
    ended.set()
    await looking
    assert entry.trends.points + entry.waiting_count == 2
    assert len(entry.waiting) == entry.waiting_count


class _Asyncio:
    """asyncio with another way into threads."""

    def __init__(self, to_thread: Any) -> None:
        self.to_thread = to_thread
