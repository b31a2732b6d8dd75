import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from ktrdr.host.v1 import host_pb2
from ktrdr.host.v1.session_pb2 import Session

from services.common.errors import ServiceError
from tests.support.eventually import eventually
from tests.support.host_service import KIND, ProbeHostSettings
from tests.support.refusals import refusal
from tests.support.scripted_work import ScriptedHost, scripted_host
from tests.support.status_reader import StatusReader, stub_reader

Stream = grpc.aio.UnaryStreamCall[host_pb2.WatchStatusRequest, host_pb2.WatchStatusResponse]


@contextlib.asynccontextmanager
async def watching(served: ScriptedHost, request: host_pb2.WatchStatusRequest) -> AsyncIterator[Stream]:
    stream = served.stub.WatchStatus(request)
    try:
        yield stream
    finally:
        stream.cancel()


async def take(stream: Stream, reader: StatusReader) -> host_pb2.GetStatusResponse:
    async with asyncio.timeout(60):
        message = await stream.read()
    assert isinstance(message, host_pb2.WatchStatusResponse), "the stream has ended"
    reader.take(message.status)
    return message.status


async def test_a_snapshot_comes_first_then_changes_then_the_end(served: ScriptedHost) -> None:
    await served.start("a", epochs=30)
    reader = stub_reader(served.stub)
    async with watching(served, host_pb2.WatchStatusRequest(page_points=20)) as stream:
        pages = [await take(stream, reader)]
        while not pages[-1].snapshot_complete:
            pages.append(await take(stream, reader))
        assert len(pages) == 3
        await served.work.write_epochs("a", 31, 31)
        while len(reader.values("a", "train_loss")) < 31:
            await take(stream, reader)
        await served.complete("a")
        while "a" not in reader.finals:
            await take(stream, reader)
    assert reader.sessions["a"].state == Session.STATE_COMPLETED
    assert reader.values("a", "train_loss") == [1.0 / epoch for epoch in range(1, 32)]


async def test_a_watch_goes_on_from_a_cursor_of_get_status(served: ScriptedHost) -> None:
    await served.start("a", epochs=3)
    reader = stub_reader(served.stub)
    await reader.drain()
    async with watching(served, host_pb2.WatchStatusRequest(cursor=reader.cursor)) as stream:
        assert not (await take(stream, reader)).sessions
        await served.work.write_epochs("a", 4, 5)
        while len(reader.values("a", "train_loss")) < 5:
            await take(stream, reader)


async def test_silence_is_broken_by_a_heartbeat(served: ScriptedHost) -> None:
    await served.start("a", epochs=1)
    reader = stub_reader(served.stub)
    request = host_pb2.WatchStatusRequest(heartbeat=Duration(nanos=100_000_000))
    async with watching(served, request) as stream:
        assert (await take(stream, reader)).sessions
        for _ in range(2):
            beat = await take(stream, reader)
            assert not beat.sessions
            assert beat.snapshot_complete
            assert beat.host.name == "box-7"


async def test_changes_that_nobody_takes_are_told_together(served: ScriptedHost) -> None:
    await served.start("a", epochs=1)
    reader = stub_reader(served.stub)
    async with watching(served, host_pb2.WatchStatusRequest()) as stream:
        await take(stream, reader)
        session = await served.work.working("a")
        for _ in range(2_000):
            session.bridge.on_epoch(2, {"train_loss": 0.5})
        answers = 0
        while len(reader.values("a", "train_loss")) < 2_001:
            await take(stream, reader)
            answers += 1
    assert answers < 50


async def test_the_host_ends_its_watches_with_ok_and_long_polls_with_an_answer(settings: ProbeHostSettings) -> None:
    async with scripted_host(settings) as served:
        await served.start("a", epochs=1)
        reader = stub_reader(served.stub)
        async with watching(served, host_pb2.WatchStatusRequest()) as stream:
            await take(stream, reader)
            polling = asyncio.create_task(reader.ask(wait_seconds=15))
            await eventually(lambda: served.host.status.is_waited_for)
            await served.host.begin_stop()
            assert await stream.read() is grpc.aio.EOF
            assert await stream.code() == grpc.StatusCode.OK
            assert (await polling).host.stopping
        with pytest.raises(ServiceError, match="stopping and takes no new work"):
            await served.host.sessions.start(kind=KIND, spec=Struct())


async def test_one_watch_too_many_is_refused_until_another_is_closed(served: ScriptedHost) -> None:
    reader = stub_reader(served.stub)
    async with watching(served, host_pb2.WatchStatusRequest()) as kept:
        await take(kept, reader)
        async with watching(served, host_pb2.WatchStatusRequest()) as closed:
            await take(closed, reader)
            refused = await refusal(served.stub.WatchStatus(host_pb2.WatchStatusRequest()).read())
            assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHES")
            assert refused.retry_seconds

        async def accepted() -> bool:
            async with watching(served, host_pb2.WatchStatusRequest()) as stream:
                return await _first(stream) is not None

        await eventually(accepted)


async def test_a_bad_cursor_ends_the_watch(served: ScriptedHost) -> None:
    refused = await refusal(served.stub.WatchStatus(host_pb2.WatchStatusRequest(cursor=b"none")).read())
    assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "CURSOR_INVALID")


async def test_a_cancelled_watch_leaves_nobody_looking(served: ScriptedHost) -> None:
    reader = stub_reader(served.stub)
    async with watching(served, host_pb2.WatchStatusRequest()) as stream:
        await take(stream, reader)
        assert served.host.status.is_waited_for
    await eventually(lambda: not served.host.status.is_waited_for)


async def _first(stream: Stream) -> object:
    try:
        return await stream.read()
    except grpc.aio.AioRpcError:
        return None
