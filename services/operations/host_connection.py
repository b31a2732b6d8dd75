"""Calls to one host."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from datetime import timedelta
from typing import Final, TypeVar, cast

import grpc
from google.rpc import error_details_pb2, status_pb2
from ktrdr.host.v1 import host_pb2, host_pb2_grpc
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.ib.v1 import ib_pb2, ib_pb2_grpc
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.training.v1 import training_pb2, training_pb2_grpc

from services.common.errors import reason_of, status_of_call
from services.common.interceptors.request_id import outgoing_metadata
from services.common.timestamps import seconds_to_duration, to_timedelta
from services.operations.host_errors import (
    CursorRejected,
    HostDoesNotAnswer,
    HostHasNoRoom,
    HostRefuses,
    SessionUnknown,
)

_CALL_SECONDS: Final = 15.0
_SHARE_OF_DEADLINE: Final = 0.8
_SLACK_SECONDS: Final = 15.0

_CODE = grpc.StatusCode
_REFUSALS: Final = {
    _CODE.INVALID_ARGUMENT,
    _CODE.ALREADY_EXISTS,
    _CODE.FAILED_PRECONDITION,
    _CODE.OUT_OF_RANGE,
    _CODE.PERMISSION_DENIED,
    _CODE.NOT_FOUND,
}
_CURSOR_REASONS: Final = {
    ErrorReason.ERROR_REASON_CURSOR_INVALID,
    ErrorReason.ERROR_REASON_CURSOR_FILTER_MISMATCH,
}

T = TypeVar("T")


class HostConnection:
    """A host, as far as the registry talks to it. Every method ends in an answer or in one of `host_errors`.

    Args:
        name: Name of the host.
        address: HOST:PORT, for messages.
        channel: Channel to it; `close` closes it.
        reader_id: Name of the registry among the readers of the host.
        registered: It was registered, and is not configured; for messages.
    """

    def __init__(
        self, name: str, address: str, channel: grpc.aio.Channel, *, reader_id: str, registered: bool = False
    ) -> None:
        self._name = name
        self._address = address
        self._reader_id = reader_id
        self._registered = registered
        self._channel = channel
        # Type checkers know stubs for asyncio as classes of their own; at run time there is one class for both.
        self._host = cast("host_pb2_grpc.HostServiceAsyncStub", host_pb2_grpc.HostServiceStub(channel))
        self._training = cast(
            "training_pb2_grpc.TrainingHostServiceAsyncStub", training_pb2_grpc.TrainingHostServiceStub(channel)
        )
        self._ib = cast("ib_pb2_grpc.IbHostServiceAsyncStub", ib_pb2_grpc.IbHostServiceStub(channel))

    async def close(self) -> None:
        """Close the channel; calls that are under way end as if the host did not answer."""
        await self._channel.close()

    async def get_status(
        self, cursor: bytes, *, acked_cursor: bytes, wait_seconds: float
    ) -> host_pb2.GetStatusResponse:
        """Return what changed since `cursor`.

        Args:
            cursor: Position in what the host has; empty for everything.
            acked_cursor: Position up to which everything is stored: what lies behind it the host need not keep.
            wait_seconds: Longest time to wait for a change; 0 for an answer at once.
        """
        request = host_pb2.GetStatusRequest(
            cursor=cursor,
            wait=seconds_to_duration(wait_seconds),
            reader_id=self._reader_id,
            acked_cursor=acked_cursor,
        )
        timeout = wait_seconds / _SHARE_OF_DEADLINE + _SLACK_SECONDS
        return await self._call(self._host.GetStatus(request, timeout=timeout))

    async def start(self, operation: pb.Operation) -> Session:
        """Start the session of an operation. Asking twice starts it once."""
        options = operation.options if operation.HasField("options") else None
        if operation.WhichOneof("spec") == "training":
            training = training_pb2.StartTrainingRequest(
                session_id=operation.session_id,
                attempt=operation.attempt,
                labels=operation.labels,
                spec=operation.training,
                options=options,
                checkpoint_session_id=operation.checkpoint_session_id,
            )
            begun = self._training.StartTraining(training, timeout=_CALL_SECONDS, metadata=outgoing_metadata())
            return (await self._call(begun)).session
        load = ib_pb2.StartDataLoadRequest(
            session_id=operation.session_id,
            attempt=operation.attempt,
            labels=operation.labels,
            spec=operation.data_load,
            options=options,
        )
        started = self._ib.StartDataLoad(load, timeout=_CALL_SECONDS, metadata=outgoing_metadata())
        return (await self._call(started)).session

    async def cancel(self, session_id: str, *, reason: str, now: bool) -> Session:
        """Ask a session to stop."""
        request = host_pb2.CancelSessionRequest(session_id=session_id, reason=reason, now=now)
        call = self._host.CancelSession(request, timeout=_CALL_SECONDS, metadata=outgoing_metadata())
        return (await self._call(call)).session

    async def delete_session(self, session_id: str) -> None:
        """Remove a session that has ended, with everything that the host has of it but its end."""
        request = host_pb2.DeleteSessionRequest(session_id=session_id)
        await self._call(self._host.DeleteSession(request, timeout=_CALL_SECONDS, metadata=outgoing_metadata()))

    async def get_session(self, session_id: str) -> Session:
        """Return a session without its points; one that was removed as it ended."""
        request = host_pb2.GetSessionRequest(session_id=session_id)
        return await self._call(self._host.GetSession(request, timeout=_CALL_SECONDS))

    async def read_log(self, request: host_pb2.ReadLogRequest) -> AsyncGenerator[host_pb2.ReadLogResponse, None]:
        """Yield the messages of a session's log, until the host ends the stream."""
        try:
            call = self._host.ReadLog(request, metadata=outgoing_metadata())
        except grpc.aio.UsageError:  # the channel was closed before this began
            raise self._unfollowed() from None
        try:
            while isinstance(message := await self._call(call.read()), host_pb2.ReadLogResponse):
                yield message
        finally:
            call.cancel()

    async def _call(self, call: Awaitable[T]) -> T:
        try:
            return await call
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # The channel was closed, not this task cancelled.
            raise self._unfollowed() from None
        except grpc.aio.AioRpcError as error:
            status = status_of_call(error)
            code = error.code()
        if status is not None:
            reason = reason_of(status)
            if reason in _CURSOR_REASONS:
                raise CursorRejected(status.message)
            if reason == ErrorReason.ERROR_REASON_SESSION_NOT_FOUND:
                raise SessionUnknown(status.message)
            if reason == ErrorReason.ERROR_REASON_STOPPING or code is _CODE.RESOURCE_EXHAUSTED:
                raise HostHasNoRoom(status.message, _retry_after(status))
            if code in _REFUSALS:
                raise HostRefuses(status)
        raise HostDoesNotAnswer(self._problem(code))

    def _unfollowed(self) -> HostDoesNotAnswer:
        return HostDoesNotAnswer(f"{self._address} is not followed any more.")

    def _problem(self, code: grpc.StatusCode) -> str:
        address = self._address
        how = "ktrdr hosts register {} HOST:PORT" if self._registered else "--host {}=HOST:PORT"
        correct = f"correct its address ({how.format(self._name)})"
        if code is _CODE.UNAVAILABLE:
            return f"Nothing answers at {address}. Start the host, or {correct}."
        if code is _CODE.DEADLINE_EXCEEDED:
            return f"{address} took a call and did not answer in time. See whether the host is stuck or overloaded."
        if code is _CODE.UNIMPLEMENTED:
            return f"What answers at {address} is no host of this kind. Start one there, or {correct}."
        return f"{address} answered {code.name}. Look into the host's log."


def _retry_after(status: status_pb2.Status) -> timedelta | None:
    for detail in status.details:
        info = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            return to_timedelta(info.retry_delay)
    return None
