"""A host that takes calls and never answers, and one that answers late, change nothing for the others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations import host_connection
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock
from tests.support.registry_server import RegistryServer, State, registry_server
from tests.support.simulated_host import SimulatedHost, simulated_host


@asynccontextmanager
async def deaf_host() -> AsyncIterator[str]:
    """Accept connections, read what comes, and never answer."""
    open_connections: set[asyncio.StreamWriter] = set()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_connections.add(writer)
        try:
            while await reader.read(65_536):
                pass
        except ConnectionError:
            pass
        finally:
            open_connections.discard(writer)
            writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in list(open_connections):
            writer.close()
        await server.wait_closed()
        await eventually(lambda: not open_connections)


@pytest.fixture
def _no_end_of_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the registry wait for a host longer than any test does: what waited for one that hangs would never end."""
    monkeypatch.setattr(host_connection, "_SLACK_SECONDS", 600.0)
    monkeypatch.setattr(host_connection, "_CALL_SECONDS", 600.0)


async def whole_life(registry: RegistryServer, host: SimulatedHost) -> None:
    """Create an operation, and see it run, grow and end."""
    created = await registry.create(host="good")
    async with registry.watch(operation_ids=[created.id]) as watch:
        await watch.until(lambda one: one.state == State.STATE_RUNNING)
        host.write(created.session_id, 1, loss=1.0)
        await watch.until(lambda one: one.metric_points == 1)
        host.finish(created.session_id)
        await watch.until(lambda one: one.state == State.STATE_COMPLETED)
    await registry.all()


@pytest.mark.usefixtures("_no_end_of_patience")
async def test_a_host_that_never_answers_changes_nothing_for_the_others(tmp_path: Path) -> None:
    async with (
        deaf_host() as deaf,
        simulated_host() as good,
        registry_server(
            tmp_path, f"deaf={deaf}", f"good={good.address}", poll_wait_seconds=10.0, create_wait_seconds=0.2
        ) as registry,
    ):
        waiting = await registry.create(host="deaf")
        for _ in range(3):
            await whole_life(registry, good)
        assert (await registry.get(waiting.id)).state == State.STATE_PENDING
        asked = pb.CancelOperationRequest(operation_id=waiting.id)
        cancelled = (await registry.stub.CancelOperation(asked, timeout=60)).operation
        assert cancelled.state == State.STATE_CANCELLED


@pytest.mark.usefixtures("_no_end_of_patience")
async def test_a_host_that_answers_late_changes_nothing_for_the_others_and_is_followed(tmp_path: Path) -> None:
    async with (
        simulated_host() as late,
        simulated_host() as good,
        registry_server(tmp_path, f"late={late.address}", f"good={good.address}", poll_wait_seconds=10.0) as registry,
    ):
        late.add("s")
        late.answers.clear()
        for _ in range(3):
            await whole_life(registry, good)
        late.answers.set()
        late.write("s", 1, loss=1.0)
        operation = await registry.found("s")
        assert operation.state == State.STATE_RUNNING


async def test_what_is_not_seen_for_two_polls_is_stale_and_seen_again_fresh(tmp_path: Path) -> None:
    clock = FakeClock()
    async with (
        simulated_host() as host,
        registry_server(
            tmp_path,
            f"gpu={host.address}",
            clock=clock,
            poll_wait_seconds=60.0,
            poll_max_interval_seconds=20.0,
        ) as registry,
    ):
        host.add("s")
        operation = await registry.found("s")

        async def is_now(liveness: "pb.Liveness.ValueType") -> bool:
            return (await registry.get(operation.id)).liveness == liveness

        await eventually(lambda: is_now(pb.LIVENESS_FRESH))
        async with registry.watch() as watch:
            clock.advance(170)  # two polls of up to 80 s, and some of the margin
            assert await is_now(pb.LIVENESS_FRESH)
            clock.advance(10)
            stale = await watch.until(lambda one: one.liveness == pb.LIVENESS_STALE)
            assert stale.state == State.STATE_RUNNING
            assert 175 < stale.staleness.ToTimedelta().total_seconds() < 185
            host.touch("s")
            await watch.until(lambda one: one.liveness == pb.LIVENESS_FRESH)


async def test_who_was_told_stale_at_once_is_told_fresh_again(tmp_path: Path) -> None:
    clock = FakeClock()
    async with (
        simulated_host() as host,
        registry_server(
            tmp_path,
            f"gpu={host.address}",
            clock=clock,
            poll_wait_seconds=60.0,
            poll_max_interval_seconds=20.0,
        ) as registry,
    ):
        host.add("s")
        operation = await registry.found("s")
        for _ in range(5):
            clock.advance(180)
            async with registry.watch() as watch:  # begins with what holds now, noticed by anything else or not
                stale = await watch.until(lambda one: one.id == operation.id)
                assert stale.liveness == pb.LIVENESS_STALE
                host.touch("s")
                await watch.until(lambda one: one.liveness == pb.LIVENESS_FRESH)
