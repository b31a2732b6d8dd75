"""Unary calls end at the server's limit, whatever their callers asked for."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import error_info, reason_of, status_of_call
from tests.support.probe_service import Context, ProbeService, call, probing, stream


async def _wait(_request: bytes, _context: Context) -> bytes:
    await asyncio.Event().wait()
    return b""


async def _tell_remaining(_request: bytes, context: Context) -> bytes:
    return repr(context.time_remaining()).encode()


@pytest.mark.parametrize("given_seconds", [None, 3600])
async def test_a_call_without_a_near_deadline_is_capped(tmp_path: Path, given_seconds: float | None) -> None:
    async with probing(ProbeService(unary={"Wait": _wait}), tmp_path, call_limit_seconds=0.2) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await asyncio.wait_for(call(channel, "Wait", timeout=given_seconds), 60)
    assert failure.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    status = status_of_call(failure.value)
    assert status is not None
    assert reason_of(status) == ErrorReason.ERROR_REASON_DEADLINE
    info = error_info(status)
    assert info is not None
    assert info.metadata["deadline_seconds"] == "0.2"


async def test_handlers_see_the_cap_as_their_deadline(tmp_path: Path) -> None:
    async with probing(ProbeService(unary={"Tell": _tell_remaining}), tmp_path, call_limit_seconds=400) as channel:
        assert 300 < float(await call(channel, "Tell")) <= 400
        assert 300 < float(await call(channel, "Tell", timeout=3600)) <= 400
        assert 100 < float(await call(channel, "Tell", timeout=200)) <= 201  # grpc rounds up


async def test_a_timeout_within_the_handler_is_not_taken_for_the_deadline(tmp_path: Path) -> None:
    async def fail(_request: bytes, _context: Context) -> bytes:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()
        return b""

    async with probing(ProbeService(unary={"Fail": fail}), tmp_path) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await call(channel, "Fail")
    assert failure.value.code() is grpc.StatusCode.INTERNAL


async def test_streams_stay_open_beyond_the_cap(tmp_path: Path) -> None:
    async def tick(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
        for _ in range(4):
            yield b"tick"
            await asyncio.sleep(0.1)

    service = ProbeService(streams={"Tick": tick})
    async with probing(service, tmp_path, call_limit_seconds=0.15) as channel, stream(channel, "Tick") as opened:
        assert [message async for message in opened] == [b"tick"] * 4
