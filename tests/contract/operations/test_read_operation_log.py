"""OperationsService.ReadLog over the wire: good calls, each documented error, cancelled streams."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from ktrdr.host.v1 import host_pb2
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1 import operations_pb2_grpc

from services.common.bootstrap import running_server
from services.common.channel import open_channel
from services.common.errors import ServiceError
from tests.support.eventually import eventually
from tests.support.host_service import KIND, ProbeHost, ProbeHostSettings
from tests.support.refusals import Refusal, refusal
from tests.support.registry_server import RegistryServer, State, registry_server
from tests.support.scripted_work import ScriptedWork
from tests.support.simulated_host import SimulatedHost, simulated_host

CODE = grpc.StatusCode
Stream = grpc.aio.UnaryStreamCall[pb.ReadLogRequest, pb.ReadLogResponse]


@contextlib.asynccontextmanager
async def reading(registry: RegistryServer, operation_id: str, **fields: Any) -> AsyncIterator[Stream]:
    stream = registry.stub.ReadLog(pb.ReadLogRequest(operation_id=operation_id, **fields))
    try:
        yield stream
    finally:
        stream.cancel()


async def take(stream: Stream) -> list[str] | None:
    """Return the texts of the next message; None at the end."""
    async with asyncio.timeout(60):
        message = await stream.read()
    if not isinstance(message, pb.ReadLogResponse):
        assert await stream.code() is CODE.OK
        return None
    assert message.next_offset
    return [line.text for line in message.lines]


async def whole(registry: RegistryServer, operation_id: str, **fields: Any) -> list[str]:
    texts: list[str] = []
    async with reading(registry, operation_id, **fields) as stream:
        while (more := await take(stream)) is not None:
            texts += more
    return texts


async def refused(registry: RegistryServer, operation_id: str, **fields: Any) -> Refusal:
    refused = await refusal(registry.stub.ReadLog(pb.ReadLogRequest(operation_id=operation_id, **fields)).read())
    assert len(refused.message) > 20
    return refused


@dataclass
class World:
    host: SimulatedHost
    registry: RegistryServer

    async def session(self, *texts: str) -> pb.Operation:
        """Let a session with this log appear."""
        self.host.add("s")
        self.host.print_log("s", *texts)
        return await self.registry.found("s")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with (
        simulated_host() as host,
        registry_server(tmp_path, f"gpu={host.address}", watch_limit=2, create_wait_seconds=0.2) as registry,
    ):
        yield World(host, registry)


async def test_the_log_of_a_real_host_with_offset_level_and_tail(tmp_path: Path) -> None:
    work = ScriptedWork()
    settings = ProbeHostSettings(home=tmp_path, slots=1)
    probe = ProbeHost(settings, work.runner())
    async with (
        running_server(probe, settings) as server,
        registry_server(tmp_path, f"gpu={server.address}") as registry,
    ):
        await probe.host.sessions.start(kind=KIND, spec=Struct(), session_id="real")
        operation = await registry.found("real")
        session = await work.working("real")
        log = session.folder / "log.jsonl"
        log.write_text('{"level": "info", "event": "one"}\n{"level": "error", "event": "two"}\n')
        async with reading(registry, operation.id, follow=True) as stream:
            texts: list[str] = []
            while texts != ["one", "two"]:
                texts += await take(stream) or []
            work.complete("real")
            assert await take(stream) is None
        await registry.state_reached(operation.id, State.STATE_COMPLETED)
        assert await whole(registry, operation.id, min_level=host_pb2.LOG_LEVEL_ERROR) == ["two"]
        assert await whole(registry, operation.id, attempt=1, tail_lines=1) == ["two"]
        invalid = await refused(registry, operation.id, offset="nonsense")
        assert (invalid.code, invalid.reason) == (CODE.INVALID_ARGUMENT, "LOG_OFFSET_INVALID")
        both = await refused(registry, operation.id, offset="nonsense", tail_lines=1)
        assert (both.reason, both.fields) == ("INVALID_REQUEST", ["tail_lines"])


async def test_it_goes_on_from_an_offset_to_the_end_of_the_operation(world: World) -> None:
    operation = await world.session("one")
    async with reading(world.registry, operation.id, follow=True, offset="1") as stream:
        assert await take(stream) == []
        world.host.print_log("s", "two", "three")
        assert await take(stream) == ["two", "three"]
        world.host.finish("s")
        assert await take(stream) is None
    assert await whole(world.registry, operation.id, follow=True) == ["one", "two", "three"]


async def test_what_does_not_exist_is_not_found(world: World) -> None:
    unknown = await refused(world.registry, "000000000000")
    assert (unknown.code, unknown.reason) == (CODE.NOT_FOUND, "OPERATION_NOT_FOUND")
    operation = await world.session("one")
    attempt = await refused(world.registry, operation.id, attempt=2)
    assert (attempt.code, attempt.reason, attempt.fields) == (CODE.INVALID_ARGUMENT, "INVALID_REQUEST", ["attempt"])
    world.host.finish("s")
    await world.registry.state_reached(operation.id, State.STATE_COMPLETED)
    world.host.remove("s")
    removed = await refused(world.registry, operation.id)
    assert (removed.code, removed.reason) == (CODE.NOT_FOUND, "SESSION_NOT_FOUND")


async def test_before_a_host_has_it_there_is_no_log(tmp_path: Path) -> None:
    async with simulated_host() as host:
        await host.stop()
        async with registry_server(tmp_path, f"gpu={host.address}", create_wait_seconds=0.2) as registry:
            waiting = await registry.create()
            early = await refused(registry, waiting.id)
            assert (early.code, early.reason) == (CODE.FAILED_PRECONDITION, "WRONG_STATE")
            assert "PENDING" in early.message
            await registry.stub.CancelOperation(pb.CancelOperationRequest(operation_id=waiting.id), timeout=60)
            late = await refused(registry, waiting.id)
            assert late.reason == "WRONG_STATE"
            assert "ended before a host had it" in late.message


async def test_a_start_that_the_host_has_not_taken_is_in_the_wrong_state(world: World) -> None:
    await world.session()
    world.host.full = True
    waiting = await world.registry.create(host="gpu")
    early = await refused(world.registry, waiting.id, follow=True)
    assert (early.code, early.reason) == (CODE.FAILED_PRECONDITION, "WRONG_STATE")


async def test_a_host_that_is_away_is_said_to_be(world: World) -> None:
    operation = await world.session("one")
    async with reading(world.registry, operation.id, follow=True) as stream:
        assert await take(stream) == ["one"]
        await world.host.stop()
        broken = await refusal(stream.read())
    assert (broken.code, broken.reason) == (CODE.UNAVAILABLE, "HOST_UNREACHABLE")
    away = await refused(world.registry, operation.id)
    assert (away.code, away.reason) == (CODE.UNAVAILABLE, "HOST_UNREACHABLE")
    assert "gpu" in away.message
    await world.host.start()

    async def back() -> bool:
        with contextlib.suppress(grpc.aio.AioRpcError):
            return await whole(world.registry, operation.id) == ["one"]
        return False

    await eventually(back)


async def test_a_host_with_too_many_readers_and_a_registry_with_too_many(world: World) -> None:
    operation = await world.session("one")
    full = ServiceError(ErrorReason.ERROR_REASON_TOO_MANY_WATCHES, limit=1)
    world.host.log_refusals.append(full.status())
    at_host = await refused(world.registry, operation.id)
    assert (at_host.code, at_host.reason) == (CODE.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHES")
    assert at_host.retry_seconds
    async with (
        reading(world.registry, operation.id, follow=True) as one,
        reading(world.registry, operation.id, follow=True) as two,
    ):
        assert await take(one) == await take(two) == ["one"]
        here = await refused(world.registry, operation.id)
        assert (here.code, here.reason) == (CODE.RESOURCE_EXHAUSTED, "TOO_MANY_WATCHES")
        assert here.retry_seconds

    async def free() -> bool:
        with contextlib.suppress(grpc.aio.AioRpcError):
            return bool(await whole(world.registry, operation.id))
        return False

    # Streams that were cancelled have given their places back.
    await eventually(free)


async def test_the_registry_ends_its_streams_with_ok_when_it_stops(tmp_path: Path) -> None:
    async with simulated_host() as host, contextlib.AsyncExitStack() as stack:
        host.add("s")
        served = await stack.enter_async_context(registry_server(tmp_path, f"gpu={host.address}", grace_seconds=5.0))
        operation = await served.found("s")
        async with open_channel(served.address) as channel:
            registry = RegistryServer(operations_pb2_grpc.OperationsServiceStub(channel), served.address)  # type: ignore[arg-type]  # one class for both kinds of channel
            async with reading(registry, operation.id, follow=True) as stream:
                assert await take(stream) == []
                stopping = asyncio.create_task(stack.aclose())
                assert await take(stream) is None
                await stopping
