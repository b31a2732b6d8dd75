"""A handler that lets a foreign cancellation out would leave its client without an answer."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from structlog.testing import capture_logs

from tests.support.probe_service import Context, ProbeService, call, probing, stream


async def _await_a_cancelled_task() -> None:
    task = asyncio.create_task(asyncio.Event().wait())
    await asyncio.sleep(0)
    task.cancel()
    await task


async def test_a_unary_call_is_answered(tmp_path: Path) -> None:
    async def fail(_request: bytes, _context: Context) -> bytes:
        await _await_a_cancelled_task()
        return b""

    with capture_logs() as logs:
        async with probing(ProbeService(unary={"Fail": fail}), tmp_path) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await asyncio.wait_for(call(channel, "Fail"), 60)
    assert failure.value.code() is grpc.StatusCode.INTERNAL
    assert "handler_let_a_cancellation_out" in [line["event"] for line in logs]


async def test_a_stream_is_ended(tmp_path: Path) -> None:
    async def fail(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
        yield b"first"
        await _await_a_cancelled_task()

    with capture_logs():
        async with (
            probing(ProbeService(streams={"Fail": fail}), tmp_path) as channel,
            stream(channel, "Fail") as opened,
        ):
            assert await opened.read() == b"first"
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await asyncio.wait_for(opened.read(), 60)
    assert failure.value.code() is grpc.StatusCode.INTERNAL


async def test_a_cancellation_by_the_client_is_left_to_grpc(tmp_path: Path) -> None:
    entered, left = asyncio.Event(), asyncio.Event()

    async def wait(_request: bytes, _context: Context) -> bytes:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        return b""

    with capture_logs() as logs:
        async with probing(ProbeService(unary={"Wait": wait}), tmp_path) as channel:
            waiting = asyncio.create_task(call(channel, "Wait"))
            await asyncio.wait_for(entered.wait(), 60)
            waiting.cancel()
            await asyncio.wait_for(left.wait(), 60)
            with pytest.raises(asyncio.CancelledError):
                await waiting
    assert "handler_let_a_cancellation_out" not in [line["event"] for line in logs]
