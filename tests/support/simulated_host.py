"""A host whose every move a test decides: a real gRPC server without any work behind it.

It keeps the contract of `ktrdr.host.v1.HostService` (cursors that belong to the reader, long polls, resets, `final`)
and misbehaves on request.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import status_pb2
from grpc_status import rpc_status
from ktrdr.host.v1 import host_pb2, host_pb2_grpc
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.metrics_pb2 import MetricSeries
from ktrdr.host.v1.session_pb2 import HostKind, Session, SessionOptions
from ktrdr.ib.v1 import ib_pb2, ib_pb2_grpc
from ktrdr.training.v1 import training_pb2, training_pb2_grpc

from services.common.channel import server_options
from services.common.errors import ServiceError
from tests.support.free_ports import ReservedPort

State = Session.State
ENDED: Final = {State.STATE_COMPLETED, State.STATE_FAILED, State.STATE_CANCELLED}
Context = grpc.aio.ServicerContext[Any, Any]


@dataclass
class SimulatedSession:
    """A session, and the rows of its journal: (step, values by name); the place in the list is the sequence number."""

    message: Session
    rows: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    version: int = 0
    log: list[host_pb2.LogLine] = field(default_factory=list)


class SimulatedHost(
    host_pb2_grpc.HostServiceServicer,
    training_pb2_grpc.TrainingHostServiceServicer,
    ib_pb2_grpc.IbHostServiceServicer,
):
    """One host. The faults are attributes that a test sets.

    Args:
        kind: What it runs.
        host_uid: Its identity; random by default.

    Attributes:
        port: Where it listens, the same after a restart.
        devices: What it can train on.
        delay_seconds: Every answer comes this much later.
        answers: While it is not set, no answer comes at all.
        held: Answers that are held back now.
        status_failures: Codes that the next GetStatus calls fail with.
        lost_start_answers: That many starts are accepted, and their answers lost.
        refusal: What every start is refused with.
        full: Starts are refused for want of room.
        repeats: That many answers begin from the start of every journal, whatever the cursor says.
        reject_cursors: That many cursors are refused as unknown.
        page_points: Most points in an answer.
        polls: GetStatus calls so far.
        readers: (reader_id, acked_cursor) of all GetStatus calls so far.
        starts: Session ids of all start calls so far, repetitions included.
        options: Options of all start calls so far, None where there were none.
        keeps_tombstones: Sessions that were removed are told as they ended, where they are asked for by id.
        cancels: Session ids of all cancel calls so far.
        deletes: Session ids of all calls to remove one so far.
        training_starts: All requests to start a training so far.
        log_reads: All reads of logs so far.
        log_refusals: What the next reads of logs are refused with.
        ends_logs: Logs that are followed end at once, as those of a host that stops do.
        open_logs: Logs that are being read.
    """

    def __init__(self, kind: "HostKind.ValueType" = HostKind.HOST_KIND_TRAINING, host_uid: str = "") -> None:
        self.kind = kind
        self.host_uid = host_uid or uuid.uuid4().hex
        self.sessions: dict[str, SimulatedSession] = {}
        self._reserved = ReservedPort()
        self.port = self._reserved.number
        self.slots = 4
        self.devices: list[host_pb2.Device] = []
        self.delay_seconds = 0.0
        self.answers = asyncio.Event()
        self.answers.set()
        self.held = 0
        self.status_failures: list[grpc.StatusCode] = []
        self.lost_start_answers = 0
        self.refusal: status_pb2.Status | None = None
        self.full = False
        self.repeats = 0
        self.reject_cursors = 0
        self.page_points = 20_000
        self.polls = 0
        self.readers: list[tuple[str, bytes]] = []
        self.starts: list[str] = []
        self.options: list[SessionOptions | None] = []
        self.tombstones: dict[str, Session] = {}
        self.keeps_tombstones = False
        self.cancels: list[str] = []
        self.deletes: list[str] = []
        self.training_starts: list[training_pb2.StartTrainingRequest] = []
        self.log_reads: list[host_pb2.ReadLogRequest] = []
        self.log_refusals: list[status_pb2.Status] = []
        self.ends_logs = False
        self.open_logs = 0
        self._changed = asyncio.Event()
        self._server: grpc.aio.Server | None = None

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen; after a stop, on the same port."""
        self._server = grpc.aio.server(options=server_options())
        host_pb2_grpc.add_HostServiceServicer_to_server(self, self._server)
        training_pb2_grpc.add_TrainingHostServiceServicer_to_server(self, self._server)
        ib_pb2_grpc.add_IbHostServiceServicer_to_server(self, self._server)
        self._server.add_insecure_port(self.address)
        await self._server.start()

    async def stop(self) -> None:
        """Stop listening; sessions stay as they are."""
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    def move(self) -> None:
        """Choose another port for the next start."""
        self._reserved = ReservedPort()
        self.port = self._reserved.number

    def add(self, session_id: str, **fields: Any) -> SimulatedSession:
        """Add a session that nobody asked this host for: one that was started straight on it."""
        session = SimulatedSession(
            Session(id=session_id, kind=self.kind, state=State.STATE_RUNNING, incarnation=uuid.uuid4().hex, **fields)
        )
        session.message.create_time.GetCurrentTime()
        self.sessions[session_id] = session
        self.touch(session_id)
        return session

    def write(self, session_id: str, step: int, **metrics: float) -> None:
        """Append a row to the journal of a session."""
        self.sessions[session_id].rows.append((step, metrics))
        self.touch(session_id)

    def print_log(self, session_id: str, *lines: str | host_pb2.LogLine) -> None:
        """Append lines to the log of a session."""
        self.sessions[session_id].log += [
            host_pb2.LogLine(text=line, source=host_pb2.LOG_SOURCE_LOG) if isinstance(line, str) else line
            for line in lines
        ]
        self._announce()

    def update(self, session_id: str, **fields: Any) -> None:
        """Change fields of a session."""
        message = self.sessions[session_id].message
        message.MergeFrom(Session(**fields))
        self.touch(session_id)

    def finish(
        self,
        session_id: str,
        state: "Session.State.ValueType" = State.STATE_COMPLETED,
        *,
        result: Message | None = None,
        error: status_pb2.Status | None = None,
    ) -> None:
        """Let a session end."""
        message = self.sessions[session_id].message
        message.state = state
        message.end_time.GetCurrentTime()
        if result is not None:
            message.result.Pack(result)
        if error is not None:
            message.error.CopyFrom(error)
        self.touch(session_id)

    def remove(self, session_id: str) -> None:
        """Drop a session, as retention does."""
        removed = self.sessions.pop(session_id).message
        removed.removed = True
        self.tombstones[session_id] = removed
        self._announce()

    def touch(self, session_id: str) -> None:
        """Take note that a session has changed."""
        self.sessions[session_id].version += 1
        self._announce()

    def touch_all(self) -> None:
        """Answer everybody who waits for a change."""
        self._announce()

    async def GetHost(  # noqa: N802 - the contract's name
        self, _request: host_pb2.GetHostRequest, _context: Context
    ) -> host_pb2.Host:
        return self._host()

    async def GetSession(  # noqa: N802 - the contract's name
        self, request: host_pb2.GetSessionRequest, context: Context
    ) -> Session:
        known = self.sessions.get(request.session_id)
        if known is not None:
            return known.message
        if not self.keeps_tombstones or request.session_id not in self.tombstones:
            reason = ErrorReason.ERROR_REASON_SESSION_NOT_FOUND
            await _abort(context, ServiceError(reason, session_id=request.session_id).status())
        return self.tombstones[request.session_id]

    async def GetStatus(  # noqa: N802 - the contract's name
        self, request: host_pb2.GetStatusRequest, context: Context
    ) -> host_pb2.GetStatusResponse:
        self.polls += 1
        self.readers.append((request.reader_id, request.acked_cursor))
        if self.status_failures:
            await context.abort(self.status_failures.pop(0), "as the test wants it")
        cursor = await self._cursor(request.cursor, context)
        wait = request.wait.ToTimedelta().total_seconds()
        response = self._status(cursor)
        if wait and not (response.sessions or response.removed_sessions):
            try:
                async with asyncio.timeout(wait):
                    while not (response.sessions or response.removed_sessions):
                        await self._changed.wait()
                        response = self._status(cursor)
            except TimeoutError:
                pass
        await self._may_answer()
        return response

    async def CancelSession(  # noqa: N802 - the contract's name
        self, request: host_pb2.CancelSessionRequest, context: Context
    ) -> host_pb2.CancelSessionResponse:
        self.cancels.append(request.session_id)
        session = self.sessions.get(request.session_id)
        if session is None and request.session_id in self.tombstones and self.keeps_tombstones:
            return host_pb2.CancelSessionResponse(session=self.tombstones[request.session_id])
        if session is None:
            reason = ErrorReason.ERROR_REASON_SESSION_NOT_FOUND
            await _abort(context, ServiceError(reason, session_id=request.session_id).status())
        elif session.message.state not in ENDED:
            session.message.state = State.STATE_CANCELLING
            session.message.cancel_reason = request.reason
            self.touch(request.session_id)
        assert session is not None
        return host_pb2.CancelSessionResponse(session=session.message)

    async def DeleteSession(  # noqa: N802 - the contract's name
        self, request: host_pb2.DeleteSessionRequest, context: Context
    ) -> host_pb2.DeleteSessionResponse:
        self.deletes.append(request.session_id)
        session = self.sessions.get(request.session_id)
        if session is not None and session.message.state not in ENDED:
            await _abort(
                context, ServiceError(ErrorReason.ERROR_REASON_WRONG_STATE, state="RUNNING", detail="").status()
            )
        if session is not None:
            self.remove(request.session_id)
        elif request.session_id not in self.tombstones:
            reason = ErrorReason.ERROR_REASON_SESSION_NOT_FOUND
            await _abort(context, ServiceError(reason, session_id=request.session_id).status())
        return host_pb2.DeleteSessionResponse(session=self.tombstones[request.session_id])

    async def ReadLog(  # noqa: N802 - the contract's name
        self, request: host_pb2.ReadLogRequest, context: Context
    ) -> AsyncIterator[host_pb2.ReadLogResponse]:
        session = self.sessions.get(request.session_id)
        if session is None:
            reason = ErrorReason.ERROR_REASON_SESSION_NOT_FOUND
            await _abort(context, ServiceError(reason, session_id=request.session_id).status())
        assert session is not None
        if self.log_refusals:
            await _abort(context, self.log_refusals.pop(0))
        self.log_reads.append(request)
        self.open_logs += 1
        try:
            async for message in self._log(session, request):
                yield message
        finally:
            self.open_logs -= 1

    async def StartTraining(  # noqa: N802 - the contract's name
        self, request: training_pb2.StartTrainingRequest, context: Context
    ) -> training_pb2.StartTrainingResponse:
        self.options.append(request.options if request.HasField("options") else None)
        self.training_starts.append(request)
        session = await self._started(request.session_id, request.attempt, request.labels, request.spec, context)
        return training_pb2.StartTrainingResponse(session=session)

    async def StartDataLoad(  # noqa: N802 - the contract's name
        self, request: ib_pb2.StartDataLoadRequest, context: Context
    ) -> ib_pb2.StartDataLoadResponse:
        self.options.append(request.options if request.HasField("options") else None)
        session = await self._started(request.session_id, request.attempt, request.labels, request.spec, context)
        return ib_pb2.StartDataLoadResponse(session=session)

    async def _started(
        self, session_id: str, attempt: int, labels: Mapping[str, str], spec: Message, context: Context
    ) -> Session:
        self.starts.append(session_id)
        await self._may_answer()
        if session_id in self.tombstones and self.keeps_tombstones:
            return self.tombstones[session_id]
        if session_id not in self.sessions:
            if self.refusal is not None:
                await _abort(context, self.refusal)
            if self.full:
                error = ServiceError(
                    ErrorReason.ERROR_REASON_QUEUE_FULL, running=1, queued=1, retry_after=timedelta(milliseconds=50)
                )
                await _abort(context, error.status())
            packed = any_pb2.Any()
            packed.Pack(spec)
            self.add(session_id, attempt=attempt, labels=labels, spec=packed)
        if self.lost_start_answers:
            self.lost_start_answers -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the answer is lost")
        return self.sessions[session_id].message

    async def _log(
        self, session: SimulatedSession, request: host_pb2.ReadLogRequest
    ) -> AsyncIterator[host_pb2.ReadLogResponse]:
        position, first = int(request.offset or 0), True
        while True:
            changed = self._changed  # of now: what comes while the message is on its way is not missed
            ended = session.message.state in ENDED
            lines = session.log[position:]
            position += len(lines)
            if lines or first:
                yield host_pb2.ReadLogResponse(lines=lines, next_offset=str(position))
            first = False
            if ended or self.ends_logs or not request.follow:
                return
            await changed.wait()

    def _host(self) -> host_pb2.Host:
        running = sum(session.message.state not in ENDED for session in self.sessions.values())
        return host_pb2.Host(
            name="simulated",
            host_uid=self.host_uid,
            kind=self.kind,
            slots=self.slots,
            running_sessions=running,
            queue_limit=8,
            devices=self.devices,
        )

    async def _cursor(self, cursor: bytes, context: Context) -> dict[str, list[Any]]:
        if not cursor:
            return {}
        try:
            host_uid, positions = json.loads(cursor)
        except ValueError:
            host_uid, positions = "", {}
        if host_uid != self.host_uid or self.reject_cursors:
            self.reject_cursors = max(0, self.reject_cursors - 1)
            await _abort(context, ServiceError(ErrorReason.ERROR_REASON_CURSOR_INVALID).status())
        result: dict[str, list[Any]] = positions
        return result

    def _status(self, cursor: dict[str, list[Any]]) -> host_pb2.GetStatusResponse:
        after = {session_id: list(place) for session_id, place in cursor.items() if session_id in self.sessions}
        response = host_pb2.GetStatusResponse(
            host=self._host(), removed_sessions=[one for one in cursor if one not in self.sessions]
        )
        room = self.page_points
        for session_id, session in self.sessions.items():
            version, incarnation, seq = after.get(session_id, [0, "", 0])
            message = Session()
            message.CopyFrom(session.message)
            if incarnation != message.incarnation:
                message.reset, seq = bool(incarnation), 0
            start = 0 if self.repeats else seq
            if version == session.version and start >= len(session.rows):
                continue
            end = min(len(session.rows), start + room)
            room -= end - start
            message.metrics.extend(_series(session.rows, start, end))
            message.final = message.state in ENDED and end == len(session.rows)
            response.more = response.more or end < len(session.rows)
            response.sessions.append(message)
            done = end == len(session.rows)
            after[session_id] = [session.version if done else version, message.incarnation, max(end, seq)]
        self.repeats = max(0, self.repeats - 1) if response.sessions else self.repeats
        response.snapshot_complete = not response.more
        response.next_cursor = json.dumps([self.host_uid, after]).encode()
        return response

    async def _may_answer(self) -> None:
        await asyncio.sleep(self.delay_seconds)
        self.held += 1
        try:
            await self.answers.wait()
        finally:
            self.held -= 1

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()  # one for each change: nobody can clear what another still waits for


def _series(rows: list[tuple[int, dict[str, float]]], start: int, end: int) -> list[MetricSeries]:
    series: dict[str, MetricSeries] = {}
    for seq in range(start, end):
        step, metrics = rows[seq]
        for name, value in metrics.items():
            one = series.setdefault(name, MetricSeries(name=name, first_seq=seq))
            one.seqs.append(seq)
            one.steps.append(step)
            one.values.append(value)
            one.times.append(1_700_000_000_000_000_000 + seq)
    return list(series.values())


async def _abort(context: Context, status: status_pb2.Status) -> None:
    await context.abort_with_status(rpc_status.to_status(status))


@asynccontextmanager
async def simulated_host(
    kind: "HostKind.ValueType" = HostKind.HOST_KIND_TRAINING, *, host_uid: str = ""
) -> AsyncIterator[SimulatedHost]:
    """Run a simulated host while the block runs."""
    host = SimulatedHost(kind, host_uid)  # type: ignore[abstract]  # what is not simulated stays UNIMPLEMENTED
    await host.start()
    try:
        yield host
    finally:
        await host.stop()
