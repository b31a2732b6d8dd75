"""Reading logs with the client, over a real registry and a host whose moves the test decides."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ktrdr.host.v1 import host_pb2
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr_client import AsyncClient, Client, FailedPrecondition, LogEntry, NotFound, ResourceExhausted, Unavailable
from ktrdr_client.errors import KtrdrError

from services.common.errors import ServiceError
from tests.support.eventually import eventually
from tests.support.registry_server import RegistryServer, registry_server
from tests.support.simulated_host import SimulatedHost, simulated_host


@dataclass
class World:
    host: SimulatedHost
    registry: RegistryServer
    client: AsyncClient

    async def session(self, *lines: str | host_pb2.LogLine) -> str:
        """Let a session with this log appear, and return its operation's id."""
        self.host.add("s")
        self.host.print_log("s", *lines)
        return (await self.registry.found("s")).id

    async def ended(self, operation_id: str) -> None:
        self.host.finish("s")
        await self.registry.state_reached(operation_id, pb.Operation.STATE_COMPLETED)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with (
        simulated_host() as host,
        registry_server(tmp_path, f"gpu={host.address}", watch_limit=2, create_wait_seconds=0.2) as registry,
        AsyncClient(registry.address) as client,
    ):
        yield World(host, registry, client)


async def read(entries: AsyncIterator[LogEntry]) -> list[str]:
    return [entry.text async for entry in entries]


async def test_lines_have_all_that_is_known_of_them(world: World) -> None:
    noon = datetime(2026, 3, 1, 12, 0, 0, 123_456, UTC)
    stamp = Timestamp()
    stamp.FromDatetime(noon)
    logged = host_pb2.LogLine(
        time=stamp,
        level=host_pb2.LOG_LEVEL_WARNING,
        source=host_pb2.LOG_SOURCE_LOG,
        text="bars_missing",
        fields={"days": "3"},
    )
    printed = host_pb2.LogLine(source=host_pb2.LOG_SOURCE_OUTPUT, text="native")
    operation_id = await world.session(logged, printed)
    entries = [entry async for entry in world.client.read_log(operation_id, min_level="warning", tail=5, attempt=1)]
    assert entries == [
        LogEntry("bars_missing", time=noon, level="warning", fields={"days": "3"}),
        LogEntry("native", printed=True),
    ]
    (asked,) = world.host.log_reads
    assert (asked.min_level, asked.tail_lines) == (host_pb2.LOG_LEVEL_WARNING, 5)


async def test_following_goes_on_over_a_host_that_goes_away_until_the_end(world: World) -> None:
    operation_id = await world.session("one")
    interruptions: list[str] = []
    texts: list[str] = []

    def note(error: KtrdrError, _: float) -> None:
        interruptions.append(error.reason)

    async with aclosing(world.client.read_log(operation_id, follow=True, on_interruption=note)) as entries:
        texts.append((await anext(entries)).text)
        await world.host.stop()
        world.host.print_log("s", "two")
        following = asyncio.create_task(read(entries))
        await eventually(lambda: "HOST_UNREACHABLE" in interruptions)
        await world.host.start()
        world.host.print_log("s", "three")
        world.host.finish("s")
        texts += await following
    assert texts == ["one", "two", "three"]


async def test_a_stream_that_ends_in_good_order_is_no_end_of_the_work(world: World) -> None:
    operation_id = await world.session("one")
    world.host.ends_logs = True
    async with aclosing(world.client.read_log(operation_id, follow=True)) as entries:
        assert (await anext(entries)).text == "one"
        following = asyncio.create_task(read(entries))
        await eventually(lambda: len(world.host.log_reads) >= 3)
        world.host.print_log("s", "two")
        await world.ended(operation_id)
        assert await following == ["two"]


async def test_an_operation_that_no_host_has_yet_is_waited_for(world: World) -> None:
    await world.session()
    world.host.full = True
    created = await world.registry.create(host="gpu")
    with pytest.raises(FailedPrecondition, match="no log"):
        await read(world.client.read_log(created.id))
    following = asyncio.create_task(read(world.client.read_log(created.id, follow=True)))
    await asyncio.sleep(0)
    world.host.full = False
    await eventually(lambda: created.session_id in world.host.sessions or len(world.host.sessions) == 2)
    session_id = next(name for name in world.host.sessions if name != "s")
    world.host.print_log(session_id, "hello")
    world.host.finish(session_id)
    assert await following == ["hello"]


async def test_following_one_that_never_got_to_a_host_ends(tmp_path: Path) -> None:
    async with simulated_host() as host:
        await host.stop()
        async with (
            registry_server(tmp_path, f"gpu={host.address}", create_wait_seconds=0.2) as registry,
            AsyncClient(registry.address) as client,
        ):
            waiting = await registry.create()
            following = asyncio.create_task(read(client.read_log(waiting.id, follow=True)))
            await client.cancel(waiting.id)
            with pytest.raises(FailedPrecondition, match="before a host had it"):
                await following


async def test_refusals_are_exceptions(world: World) -> None:
    operation_id = await world.session("one")
    with pytest.raises(NotFound):
        await read(world.client.read_log("000000000000"))
    with pytest.raises(ValueError, match="is no level"):
        await read(world.client.read_log(operation_id, min_level="loud"))
    full = ServiceError(ErrorReason.ERROR_REASON_TOO_MANY_WATCHES, limit=1)
    world.host.log_refusals.append(full.status())
    with pytest.raises(ResourceExhausted):
        await read(world.client.read_log(operation_id))
    await world.host.stop()
    with pytest.raises(Unavailable) as away:
        await read(world.client.read_log(operation_id, follow=True))
    assert away.value.reason == "HOST_UNREACHABLE"


async def test_leaving_the_loop_ends_the_stream(world: World) -> None:
    operation_id = await world.session("one")
    for _ in range(4):  # more than may be open at once
        async with aclosing(world.client.read_log(operation_id, follow=True)) as entries:
            await anext(entries)
        await eventually(lambda: world.host.open_logs == 0)


async def test_scripts_read_without_asyncio(world: World) -> None:
    operation_id = await world.session("one", "two")

    def script() -> tuple[list[str], str]:
        with Client(world.registry.address) as client:
            first = next(iter(client.read_log(operation_id, follow=True)))
            return [entry.text for entry in client.read_log(operation_id)], first.text

    assert await asyncio.to_thread(script) == (["one", "two"], "one")
