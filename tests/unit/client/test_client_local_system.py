"""What a local system consists of, and how a child process is watched."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ktrdr_client.local import LocalPlan, LocalSystem, Ports, PortTaken, ServiceNotStarted
from ktrdr_client.local.plan import service_plans
from ktrdr_client.local.service_process import ServiceProcess

from tests.support.eventually import eventually

KNOWN = {"ib-host": "i:2", "training-host": "t:3"}


def arguments_of(plan: LocalPlan) -> dict[str, list[str]]:
    known = {**KNOWN, "replay-gateway": "g:1"} if plan.is_replay else KNOWN
    return {each.name: list(each.arguments(known)) for each in service_plans(plan)}


def test_services_are_told_where_the_others_are(tmp_path: Path) -> None:
    replayed = arguments_of(LocalPlan(home=tmp_path, on_exit="leave"))
    assert replayed["ib-host"] == ["--gateway", "g:1", "--on-stop", "leave"]
    assert replayed["training-host"] == ["--ib-host", "i:2", "--on-stop", "leave"]
    assert replayed["operations"] == ["--host", "training-host=t:3", "--host", "ib-host=i:2"]


def test_a_real_gateway_is_used_instead_of_a_replayed_one(tmp_path: Path) -> None:
    plan = LocalPlan(home=tmp_path, gateway="tws:4002")
    assert not plan.is_replay
    assert arguments_of(plan)["ib-host"][:2] == ["--gateway", "tws:4002"]
    assert "replay-gateway" not in arguments_of(plan)


def test_ports_move_together() -> None:
    assert Ports.shifted(100) == Ports(4202, 5101, 5102, 5103)
    assert set(vars(Ports.any_free()).values()) == {0}
    for offset in (-6000, 61_000):
        with pytest.raises(ValueError, match="65535"):
            Ports.shifted(offset)


async def test_a_taken_port_is_told_before_anything_starts(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        with pytest.raises(PortTaken, match=rf"port {port} \(operations\)"):
            async with LocalSystem(LocalPlan(home=tmp_path / "home", ports=Ports(0, 0, 0, port))):
                pass
    finally:
        server.close()
        await server.wait_closed()
    assert not (tmp_path / "home").exists()


@pytest.fixture
async def lifeline() -> AsyncIterator[int]:
    reading, writing = os.pipe()
    yield reading
    os.close(reading)
    os.close(writing)


def process(name: str, tmp_path: Path, lifeline: int, *arguments: str) -> ServiceProcess:
    words = ["--home", str(tmp_path), "--port", "0", *arguments]
    return ServiceProcess(name, words, log=tmp_path / "x.log", ready=tmp_path / "ready.json", lifeline=lifeline)


async def test_a_service_that_cannot_start_is_told_in_its_own_words(tmp_path: Path, lifeline: int) -> None:
    service = process("replay-gateway", tmp_path, lifeline, "--latency-ms", "-1")
    await service.start()
    with pytest.raises(ServiceNotStarted, match="replay-gateway could not be started: latency_ms") as caught:
        await service.address(30)
    assert caught.value.tail == ""
    assert caught.value.log == tmp_path / "x.log"
    assert await service.stop(1) is False


async def test_a_service_is_started_watched_and_stopped(tmp_path: Path, lifeline: int) -> None:
    service = process("replay-gateway", tmp_path, lifeline)
    await service.start()
    assert (await service.address(30)).startswith("127.0.0.1:")
    assert service.tail()
    assert await service.stop(20) is True
    again = process("replay-gateway", tmp_path, lifeline)
    await again.start()
    await again.address(30)
    os.kill(again.pid, signal.SIGKILL)
    death = await again.death()
    assert "replay-gateway (pid" in str(death)
    assert "SIGKILL" in str(death)


async def test_a_service_that_does_not_stop_is_ended_by_force(tmp_path: Path, lifeline: int) -> None:
    service = process("replay-gateway", tmp_path, lifeline)
    await service.start()
    await service.address(30)
    os.kill(service.pid, signal.SIGSTOP)
    assert await service.stop(0.1) is False
    await eventually(lambda: not Path(f"/proc/{service.pid}").exists())


async def test_a_service_that_is_never_ready_is_given_up(tmp_path: Path, lifeline: int) -> None:
    service = process("replay-gateway", tmp_path, lifeline)
    await service.start()
    with pytest.raises(ServiceNotStarted, match=r"was not ready within 0\.01 s"):
        await service.address(0.01)
    await service.kill()


async def test_a_service_must_be_started_first(tmp_path: Path, lifeline: int) -> None:
    service = process("replay-gateway", tmp_path, lifeline)
    assert (service.pid, service.tail(), await service.stop(1)) == (0, "", True)
    with pytest.raises(RuntimeError, match="has not been started"):
        await service.death()
