"""A reader of a host's status, as operations is one: it keeps its cursor, and checks that it gets each point once."""

import asyncio
import struct
import time
from collections.abc import Callable, Collection
from typing import Protocol

from google.protobuf.duration_pb2 import Duration
from ktrdr.host.v1 import host_pb2, host_pb2_grpc, metrics_pb2
from ktrdr.host.v1.session_pb2 import Session

from tests.support.eventually import PATIENCE_SECONDS

Point = tuple[int, float]
"""Step and value."""


class GetStatus(Protocol):
    """What answers a reader: the stub of a host, or the host itself."""

    async def __call__(self, request: host_pb2.GetStatusRequest) -> host_pb2.GetStatusResponse: ...


class StatusReader:
    """Reads with one cursor.

    Args:
        ask: Answers requests.
        page_points: Most points in an answer.
        session_ids: Only these sessions.
        encoding: How points are wanted.
    """

    def __init__(
        self,
        ask: GetStatus,
        *,
        page_points: int = 0,
        session_ids: Collection[str] = (),
        encoding: "metrics_pb2.MetricEncoding.ValueType" = metrics_pb2.METRIC_ENCODING_UNSPECIFIED,
    ) -> None:
        self._ask = ask
        self._page_points = page_points
        self._session_ids = session_ids
        self._encoding = encoding
        self.cursor = b""
        self.sessions: dict[str, Session] = {}
        self.points: dict[tuple[str, str, str], dict[int, Point]] = {}
        self.finals: list[str] = []
        self.resets: list[str] = []
        self.removed: list[str] = []

    async def ask(self, *, wait_seconds: float = 0.0, page_points: int | None = None) -> host_pb2.GetStatusResponse:
        """Ask from where the reader stands, without taking the answer."""
        request = host_pb2.GetStatusRequest(
            cursor=self.cursor,
            session_ids=self._session_ids,
            page_points=self._page_points if page_points is None else page_points,
            metric_encoding=self._encoding,
        )
        if wait_seconds:
            wait = Duration()
            wait.FromNanoseconds(int(wait_seconds * 1e9))
            request.wait.CopyFrom(wait)
        return await self._ask(request)

    async def read(self, *, wait_seconds: float = 0.0, page_points: int | None = None) -> host_pb2.GetStatusResponse:
        """Ask and take the answer."""
        response = await self.ask(wait_seconds=wait_seconds, page_points=page_points)
        self.take(response)
        return response

    def take(self, response: host_pb2.GetStatusResponse) -> None:
        """Store an answer, and fail where it brings a point again or a session goes on after its end."""
        self.cursor = response.next_cursor
        self.removed += response.removed_sessions
        for session in response.sessions:
            assert session.id not in self.finals, f"{session.id} was final before"
            if session.reset:
                self.resets.append(session.id)
                self.points = {key: points for key, points in self.points.items() if key[0] != session.id}
            self._take_points(session)
            self.sessions[session.id] = session
            if session.final:
                self.finals.append(session.id)

    async def drain(self) -> None:
        """Read until nothing is left."""
        while (await self.read()).more:
            pass

    async def until(
        self, condition: Callable[["StatusReader"], bool], *, timeout_seconds: float = PATIENCE_SECONDS
    ) -> None:
        """Read on until a condition holds."""

        deadline = time.monotonic() + timeout_seconds
        await self.drain()
        while not condition(self):
            assert time.monotonic() < deadline, f"not met in {timeout_seconds} s; sessions: {self.sessions}"
            await asyncio.sleep(0.01)
            await self.drain()

    async def until_final(self, *session_ids: str) -> Session:
        """Read on until these sessions are final, and return the last of them."""
        await self.until(lambda reader: all(each in reader.finals for each in session_ids))
        return self.sessions[session_ids[-1]]

    def series(self, session_id: str, name: str) -> dict[int, Point]:
        """Return the points of a metric by seq, from whatever incarnation."""
        found: dict[int, Point] = {}
        for (session, _, metric), points in self.points.items():
            if session == session_id and metric == name:
                found |= points
        return found

    def values(self, session_id: str, name: str) -> list[float]:
        """Return the values of a metric in the order of their seqs."""
        return [value for _, (_, value) in sorted(self.series(session_id, name).items())]

    def _take_points(self, session: Session) -> None:
        for series in session.metrics:
            seqs = series.seqs or range(series.first_seq, series.first_seq + len(series.values))
            for seq, step, value, time_ns in zip(seqs, series.steps, series.values, series.times, strict=True):
                assert time_ns > 0
                self._take_point(session, series.name, seq, (step, value))
        for block in session.metric_rows:
            row = struct.Struct(f"<Qqq{len(block.names)}d")
            assert len(block.data) == row.size * block.row_count
            for seq, step, _, *values in row.iter_unpack(block.data):
                for name, value in zip(block.names, values, strict=True):
                    self._take_point(session, name, seq, (step, value))

    def _take_point(self, session: Session, name: str, seq: int, point: Point) -> None:
        points = self.points.setdefault((session.id, session.incarnation, name), {})
        assert seq not in points, f"point {seq} of {name} in {session.id} came twice"
        points[seq] = point


def stub_reader(
    stub: "host_pb2_grpc.HostServiceAsyncStub",
    *,
    page_points: int = 0,
    session_ids: Collection[str] = (),
    encoding: "metrics_pb2.MetricEncoding.ValueType" = metrics_pb2.METRIC_ENCODING_UNSPECIFIED,
) -> StatusReader:
    """Return a reader that asks over the wire."""

    async def ask(request: host_pb2.GetStatusRequest) -> host_pb2.GetStatusResponse:
        return await stub.GetStatus(request, timeout=60)

    return StatusReader(ask, page_points=page_points, session_ids=session_ids, encoding=encoding)
