"""However a stream ends, its handler cleans up: at once, and in the task of the call."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from tests.support.eventually import eventually
from tests.support.probe_service import Context, ProbeService, call, probing, stream


class _Recorder:
    """A stream that records the tasks it began and cleaned up in."""

    def __init__(self, message: bytes, *, endless: bool) -> None:
        self._message = message
        self._endless = endless
        self.written = 0
        self.began: list[asyncio.Task[object] | None] = []
        self.cleaned_up: list[asyncio.Task[object] | None] = []

    async def generate(self, _request: bytes, _context: Context) -> AsyncIterator[bytes]:
        self.began.append(asyncio.current_task())
        try:
            yield self._message
            self.written += 1
            while self._endless:
                yield self._message
                self.written += 1
            await asyncio.Event().wait()
        finally:
            self.cleaned_up.append(asyncio.current_task())

    async def write(self, _request: bytes, context: Context) -> None:
        self.began.append(asyncio.current_task())
        try:
            await context.write(self._message)
            await asyncio.Event().wait()
        finally:
            self.cleaned_up.append(asyncio.current_task())


@pytest.mark.parametrize("style", ["generate", "write"])
async def test_a_stream_that_the_client_cancels_cleans_up(tmp_path: Path, style: str) -> None:
    recorder = _Recorder(b"m", endless=False)
    async with probing(ProbeService(streams={"Watch": getattr(recorder, style)}), tmp_path) as channel:
        async with stream(channel, "Watch") as opened:
            assert await opened.read() == b"m"
        await eventually(lambda: recorder.cleaned_up)
        assert recorder.cleaned_up == recorder.began
        assert await call(channel, "Echo", b"still here") == b"still here"


async def test_a_stream_that_is_cancelled_while_it_writes_cleans_up_in_its_own_task(tmp_path: Path) -> None:
    recorder = _Recorder(bytes(2**20), endless=True)
    async with probing(ProbeService(streams={"Flood": recorder.generate}), tmp_path) as channel:
        async with stream(channel, "Flood") as opened:
            await opened.read()
            last = -1
            while recorder.written != last:  # the client does not read: at some point the handler waits in its write
                last = recorder.written
                await asyncio.sleep(0.1)
            assert not recorder.cleaned_up
        await eventually(lambda: recorder.cleaned_up)
        assert recorder.cleaned_up == recorder.began
        assert await call(channel, "Echo", b"still here") == b"still here"


async def test_a_client_that_vanishes_is_cleaned_up_after(tmp_path: Path) -> None:
    recorder = _Recorder(b"m", endless=False)
    async with probing(ProbeService(streams={"Watch": recorder.generate}), tmp_path) as channel:
        async with stream(channel, "Watch") as opened:
            await opened.read()
            await channel.close()
        await eventually(lambda: recorder.cleaned_up)


async def test_a_deadline_of_the_client_ends_the_stream(tmp_path: Path) -> None:
    recorder = _Recorder(b"m", endless=False)
    async with probing(ProbeService(streams={"Watch": recorder.generate}), tmp_path) as channel:
        for seconds in (0.3, 3.0, 30.0):  # on a busy machine a short one is over before the handler begins
            async with stream(channel, "Watch", timeout=seconds) as opened:
                with pytest.raises(grpc.aio.AioRpcError) as failure:
                    assert [message async for message in opened] == [], "the server ended the stream by itself"
            assert failure.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            if recorder.began:
                break
        await eventually(lambda: recorder.cleaned_up)
