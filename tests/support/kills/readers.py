"""Who reads while everything is killed: by cursor, from the start, and in the registry."""

import asyncio
import random
from typing import Final

import grpc
from ktrdr.host.v1 import host_pb2
from ktrdr.operations.v1 import operations_pb2

from tests.support.kills.world import PASSING, RETRY_SECONDS, World, answered
from tests.support.status_reader import GetStatus, Point, StatusReader

Points = dict[int, dict[str, Point]]
"""Step and value by seq and metric."""

_LOST: Final = 0.2
"""Share of answers that the reader with a cursor never gets to see, as if the connection had broken."""


class FaithfulReader(StatusReader):
    """Keeps its cursor over all kills of the host, and loses answers on the way.

    Args:
        world: Where to read.
        seed: Which answers are lost.
        page_points: Most points in an answer.
        pause_seconds: Time between two questions: that of a poller which is watched. A question for each row would only
            cost the workers.

    Attributes:
        taken: Answers that it got.
    """

    def __init__(self, world: World, seed: int, *, page_points: int = 0, pause_seconds: float = 0.02) -> None:
        super().__init__(asker(world), page_points=page_points)
        self._dice = random.Random(seed)
        self._pause_seconds = pause_seconds
        self.taken = 0

    async def follow(self) -> None:
        """Read until cancelled."""
        while True:
            try:
                answer = await self.ask(wait_seconds=0.5)
            except grpc.aio.AioRpcError as error:
                if error.code() not in PASSING:
                    raise
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if self._dice.random() >= _LOST:
                self.take(answer)
                self.taken += 1
            await asyncio.sleep(0.0 if answer.more else self._pause_seconds)


def asker(world: World) -> GetStatus:
    """Return what a StatusReader asks with."""

    async def ask(request: host_pb2.GetStatusRequest) -> host_pb2.GetStatusResponse:
        return await world.sessions.GetStatus(request, timeout=60)

    return ask


def points_of(reader: StatusReader, session_id: str, *, ordered: bool = True) -> Points:
    """Return what a reader has of a session.

    Args:
        reader: Who has read.
        session_id: The session.
        ordered: Points of one series came in the order of their seqs. As raw rows they come by set of names instead.

    Raises:
        AssertionError: Points of one series did not come in the order of their seqs, or come from two journals.
    """
    found: Points = {}
    incarnations = set()
    for (session, incarnation, name), series in reader.points.items():
        if session == session_id:
            incarnations.add(incarnation)
            assert not ordered or list(series) == sorted(series), f"{session_id}: points of {name} came out of order"
            for seq, point in series.items():
                found.setdefault(seq, {})[name] = point
    assert len(incarnations) <= 1, f"{session_id} has points of {len(incarnations)} journals"
    return found


async def registry_points(world: World, operation_id: str) -> Points:
    """Return what the registry has of an operation, read page by page.

    Raises:
        AssertionError: A point came twice, or out of order.
    """
    found: Points = {}
    newest: dict[str, int] = {}
    request = operations_pb2.QueryMetricsRequest(operation_id=operation_id, page_size=5_000)
    token = ""
    while True:
        request.page_token = token
        page = await answered(lambda: world.registry.QueryMetrics(request, timeout=60))
        for history in page.series:
            points = history.points
            seqs = points.seqs or range(points.first_seq, points.first_seq + len(points.values))
            for seq, step, value in zip(seqs, points.steps, points.values, strict=True):
                assert seq > newest.get(points.name, -1), f"{operation_id}: point {seq} of {points.name} again"
                newest[points.name] = seq
                found.setdefault(seq, {})[points.name] = (step, value)
        token = page.next_page_token
        if not token:
            return found
