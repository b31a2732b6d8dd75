"""A server stops in order: it says so, lets watches end themselves, gives calls their grace, closes its own last."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from services.common.bootstrap import running_server
from services.common.channel import open_channel
from services.common.startup import CannotStartError
from tests.support.eventually import eventually
from tests.support.probe_service import SERVICE, Context, ProbeService, ProbeSettings, call, probing, stream

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class _Watching(ProbeService):
    """Serves a watch that ends itself when the server stops, after it has seen what health says then."""

    def __init__(self) -> None:
        super().__init__(streams={"Watch": self._watch})
        self.release = asyncio.Event()

    async def _watch(self, _request: bytes, _context: Context) -> AsyncIterator[bytes]:
        yield b"open"
        await self.stopping.wait()
        await self.release.wait()
        yield b"closing"


async def test_health_says_not_serving_while_a_watch_ends_itself(tmp_path: Path) -> None:
    service, end = _Watching(), asyncio.Event()

    async def live(address: asyncio.Future[str]) -> None:
        async with running_server(service, ProbeSettings(home=tmp_path, port=0, grace_seconds=600)) as server:
            address.set_result(server.address)
            await end.wait()

    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    life = asyncio.create_task(live(address))
    async with open_channel(await address) as channel, stream(channel, "Watch") as watch:
        health: Any = health_pb2_grpc.HealthStub(channel)
        observed = health.Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        assert await watch.read() == b"open"
        assert (await observed.read()).status == SERVING
        end.set()
        assert (await observed.read()).status == NOT_SERVING
        assert await observed.read() is grpc.aio.EOF
        assert "stop" not in service.events, "the watch is still open"
        service.release.set()
        assert await watch.read() == b"closing"
        assert await watch.read() is grpc.aio.EOF
        assert await watch.code() is grpc.StatusCode.OK
        await asyncio.wait_for(life, 60)
    assert service.events == ["start", "begin_stop", "stop"]


async def test_open_health_watches_do_not_hold_the_stop(tmp_path: Path) -> None:
    began = 0.0
    async with probing(ProbeService(), tmp_path, grace_seconds=600) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watches = [health.Watch(health_pb2.HealthCheckRequest(service=name)) for name in ("", SERVICE, "unknown")]
        assert [(await watch.read()).status for watch in watches] == [SERVING, SERVING, SERVICE_UNKNOWN]
        await channel.close()
        began = time.monotonic()
    assert time.monotonic() - began < 60


async def test_a_stubborn_stream_is_ended_after_the_grace_and_cleans_up_first(
    tmp_path: Path,
) -> None:
    class Stubborn(ProbeService):
        def __init__(self) -> None:
            super().__init__(streams={"Watch": self._watch})

        async def _watch(self, _request: bytes, _context: Context) -> AsyncIterator[bytes]:
            try:
                yield b"open"
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.05)
                self.events.append("cleaned up")

    service = Stubborn()
    async with (
        probing(service, tmp_path, grace_seconds=0.2) as channel,
        stream(channel, "Watch") as watch,
    ):
        assert await watch.read() == b"open"
        ending = asyncio.create_task(watch.read())
        await asyncio.sleep(0)
    with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
        await ending
    assert service.events == ["start", "begin_stop", "cleaned up", "stop"]


async def test_calls_that_are_under_way_get_their_answer(tmp_path: Path) -> None:
    entered, release, end = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(_request: bytes, _context: Context) -> bytes:
        entered.set()
        await release.wait()
        return b"done"

    service = ProbeService(unary={"Slow": slow})

    async def live(address: asyncio.Future[str]) -> None:
        async with running_server(service, ProbeSettings(home=tmp_path, port=0, grace_seconds=600)) as server:
            address.set_result(server.address)
            await end.wait()

    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    life = asyncio.create_task(live(address))
    async with open_channel(await address) as channel:
        answer = asyncio.create_task(call(channel, "Slow"))
        await asyncio.wait_for(entered.wait(), 60)
        end.set()
        await eventually(lambda: "begin_stop" in service.events)
        release.set()
        assert await answer == b"done"
        await asyncio.wait_for(life, 60)


async def test_a_step_of_the_stop_that_fails_does_not_keep_the_others_from_running(tmp_path: Path) -> None:
    class Failing(ProbeService):
        async def begin_stop(self) -> None:
            await super().begin_stop()
            raise RuntimeError

    service = Failing()
    with capture_logs() as logs:
        async with probing(service, tmp_path) as channel:
            assert await call(channel, "Echo", b"x") == b"x"
    assert service.events == ["start", "begin_stop", "stop"]
    assert "stop_step_failed" in [line["event"] for line in logs]


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (CannotStartError("the store is of a newer version."), "the store is of a newer version."),
        (PermissionError(13, "Permission denied", "/data/registry"), "/data/registry: Permission denied."),
    ],
)
async def test_a_service_that_cannot_start_says_why_and_is_stopped(tmp_path: Path, fault: Exception, line: str) -> None:
    service = ProbeService(fail_start=fault)
    with pytest.raises(CannotStartError) as refusal:
        async with probing(service, tmp_path):
            pytest.fail("it started")
    assert str(refusal.value) == line
    assert service.events == ["start", "begin_stop", "stop"]
