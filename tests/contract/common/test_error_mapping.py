"""What a client sees of what a handler raises."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from ktrdr.host.v1.errors_pb2 import ErrorReason
from pydantic import BaseModel
from structlog.testing import capture_logs

from services.common.bootstrap import running_server
from services.common.errors import (
    FieldViolation,
    ServiceError,
    error_from_status,
    error_info,
    reason_of,
    status_of_call,
)
from tests.support.probe_service import (
    Behaviour,
    Context,
    ProbeService,
    ProbeSettings,
    call,
    probing,
    stream,
    unary_call,
)

SECRET = "/home/trader/.secrets/password=hunter2"


class _Model(BaseModel):
    port: int


async def _key_error(_request: bytes, _context: Context) -> bytes:
    raise KeyError(SECRET)


async def _value_error(_request: bytes, _context: Context) -> bytes:
    raise ValueError(SECRET)


async def _validation_error(_request: bytes, _context: Context) -> bytes:
    return _Model.model_validate({"port": SECRET}).model_dump_json().encode()


async def _other_servers_error(_request: bytes, _context: Context) -> bytes:
    raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), details=SECRET)


async def _group_error(_request: bytes, _context: Context) -> bytes:
    raise ExceptionGroup(SECRET, [ValueError(SECRET), _not_found()])


async def _generator_error(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
    yield b"first"
    raise OSError(2, "No such file", SECRET)


async def _writer_error(_request: bytes, context: Context) -> None:
    await context.write(b"first")
    raise RuntimeError(SECRET)


def _synchronous(_request: bytes, _context: Context) -> bytes:
    raise KeyError(SECRET)


def _not_found() -> ServiceError:
    return ServiceError(ErrorReason.ERROR_REASON_SESSION_NOT_FOUND, session_id="s-1")


def _assert_says_nothing(error: grpc.aio.AioRpcError, request_id: str) -> None:
    everything = f"{error.details()} {error.debug_error_string()} {error.trailing_metadata()}"
    assert "hunter2" not in everything
    assert error.code() is grpc.StatusCode.INTERNAL
    assert error.details() == f"The server failed. Look for request id {request_id} in its log."
    status = status_of_call(error)
    assert status is not None
    assert reason_of(status) == ErrorReason.ERROR_REASON_INTERNAL


@pytest.mark.parametrize(
    "handler", [_key_error, _value_error, _validation_error, _other_servers_error, _group_error, _synchronous]
)
async def test_unexpected_text_never_reaches_the_client_of_a_unary_call(tmp_path: Path, handler: Behaviour) -> None:
    with capture_logs() as logs:
        async with probing(ProbeService(unary={"Fail": handler}), tmp_path) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await call(channel, "Fail", metadata=(("x-request-id", "call-7"),))
    _assert_says_nothing(failure.value, "call-7")
    failures = [line for line in logs if line["event"] == "handler_failed"]
    assert [line["exc_info"] for line in failures] == [True], "the log has what the client does not see"


@pytest.mark.parametrize("handler", [_generator_error, _writer_error])
async def test_unexpected_text_never_reaches_the_client_of_a_stream(tmp_path: Path, handler: Behaviour) -> None:
    with capture_logs():
        async with (
            probing(ProbeService(streams={"Fail": handler}), tmp_path) as channel,
            stream(channel, "Fail", metadata=(("x-request-id", "call-8"),)) as opened,
        ):
            assert await opened.read() == b"first"
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await opened.read()
    _assert_says_nothing(failure.value, "call-8")


async def test_an_error_of_the_catalogue_arrives_with_everything_it_says(tmp_path: Path) -> None:
    async def fail(_request: bytes, _context: Context) -> bytes:
        raise ServiceError(
            ErrorReason.ERROR_REASON_QUEUE_FULL,
            fields=[FieldViolation("spec.strategy", "is waiting already")],
            retry_after=timedelta(seconds=2.5),
            running=1,
            queued=16,
        )

    async with probing(ProbeService(unary={"Fail": fail}), tmp_path) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call(channel, "Fail")
    assert failure.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "1 running, 16 queued" in (failure.value.details() or "")
    status = status_of_call(failure.value)
    assert status is not None
    info = error_info(status)
    assert info is not None
    assert (info.reason, info.domain, dict(info.metadata)) == ("QUEUE_FULL", "ktrdr", {"running": "1", "queued": "16"})
    retry, bad_request = error_details_pb2.RetryInfo(), error_details_pb2.BadRequest()
    assert [detail.Unpack(retry) for detail in status.details].count(True) == 1
    assert retry.retry_delay.ToTimedelta() == timedelta(seconds=2.5)
    assert [detail.Unpack(bad_request) for detail in status.details].count(True) == 1
    assert [(it.field, it.description) for it in bad_request.field_violations] == [
        ("spec.strategy", "is waiting already")
    ]


async def test_a_stream_can_end_with_an_error_of_the_catalogue(tmp_path: Path) -> None:
    async def fail(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
        yield b"first"
        raise _not_found()

    async with probing(ProbeService(streams={"Fail": fail}), tmp_path) as channel, stream(channel, "Fail") as opened:
        assert await opened.read() == b"first"
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await opened.read()
    status = status_of_call(failure.value)
    assert status is not None
    assert reason_of(status) == ErrorReason.ERROR_REASON_SESSION_NOT_FOUND


async def test_an_error_for_clients_gets_out_of_a_task_group(tmp_path: Path) -> None:
    async def fail(_request: bytes, _context: Context) -> bytes:
        raise ExceptionGroup("tasks", [ExceptionGroup("inner", [_not_found()])])

    async with probing(ProbeService(unary={"Fail": fail}), tmp_path) as channel:
        with pytest.raises(grpc.aio.AioRpcError, match="no session 's-1'") as failure:
            await call(channel, "Fail")
    assert failure.value.code() is grpc.StatusCode.NOT_FOUND


async def test_another_servers_refusal_is_passed_on_as_it_is(tmp_path: Path) -> None:
    original = _not_found().status()

    async def fail(_request: bytes, _context: Context) -> bytes:
        raise error_from_status(original)

    async with probing(ProbeService(unary={"Fail": fail}), tmp_path) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call(channel, "Fail")
    assert status_of_call(failure.value) == original


async def test_a_handlers_own_abort_is_left_alone(tmp_path: Path) -> None:
    async def fail(_request: bytes, context: Context) -> bytes:
        await context.abort(grpc.StatusCode.DATA_LOSS, "as the handler says")

    async with probing(ProbeService(unary={"Fail": fail}), tmp_path) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call(channel, "Fail")
    assert (failure.value.code(), failure.value.details()) == (grpc.StatusCode.DATA_LOSS, "as the handler says")


async def test_bytes_that_are_no_request_are_refused_as_such(tmp_path: Path) -> None:
    async with probing(ProbeService(), tmp_path) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await unary_call(channel, "/grpc.health.v1.Health/Check", b"\xff\xff\xff")
    assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    status = status_of_call(failure.value)
    assert status is not None
    assert reason_of(status) == ErrorReason.ERROR_REASON_INVALID_REQUEST


async def test_an_answer_that_cannot_be_encoded_is_the_servers_fault_and_says_nothing(tmp_path: Path) -> None:
    async def nothing(_request: bytes, _context: Any) -> None:
        return None

    handler: Any = grpc.unary_unary_rpc_method_handler(
        nothing, response_serializer=health_pb2.HealthCheckResponse.SerializeToString
    )
    with capture_logs():
        async with probing(ProbeService(handlers={"Fail": handler}), tmp_path) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await call(channel, "Fail", metadata=(("x-request-id", "call-9"),))
    _assert_says_nothing(failure.value, "call-9")


async def test_a_method_that_nobody_serves_is_unimplemented(tmp_path: Path) -> None:
    async with probing(ProbeService(), tmp_path) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call(channel, "Missing")
    assert failure.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_hundreds_of_long_violations_arrive_at_a_client_with_default_limits(
    tmp_path: Path,
) -> None:
    fields = [FieldViolation(f"indicators[{number}].params.длина", "muß größer sein " * 40) for number in range(300)]

    async def fail(_request: bytes, _context: Context) -> bytes:
        raise ServiceError(ErrorReason.ERROR_REASON_STRATEGY_INVALID, fields=fields, detail="ж" * 5_000)

    async with (
        running_server(ProbeService(unary={"Fail": fail}), ProbeSettings(home=tmp_path, port=0)) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call(channel, "Fail")
    assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    status = status_of_call(failure.value)
    assert status is not None
    bad_request = error_details_pb2.BadRequest()
    assert any(detail.Unpack(bad_request) for detail in status.details)
    *shown, last = bad_request.field_violations
    assert last.description == f"and {300 - len(shown)} more; correct these first"
    assert len(shown) >= 3
