"""Sessions get the devices and limits that they ask for, and nobody else's."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from ktrdr.host.v1.session_pb2 import HOST_KIND_TRAINING, Session, SessionOptions

from services.common.clock import SystemClock
from services.common.errors import ServiceError, error_info, reason_name
from services.host.assembly import build_host
from services.host.device_pool import DevicePool
from services.host.host import Host
from services.host.runner import SessionRunner
from tests.support.eventually import eventually
from tests.support.host_service import KIND, ProbeHostSettings, process_runner
from tests.support.scripted_work import ScriptedWork
from tests.support.session_worker import worker_spec

GPUS = ["cuda:0", "cuda:1", "cuda:2"]


@pytest.fixture
def wide(settings: ProbeHostSettings) -> ProbeHostSettings:
    """More slots than devices."""
    return settings.model_copy(update={"slots": 4, "queue_limit": 3})


@contextlib.asynccontextmanager
async def host_with(
    settings: ProbeHostSettings, pool: DevicePool, runner: SessionRunner | None = None
) -> AsyncIterator[Host]:
    host = build_host(
        settings, kind=HOST_KIND_TRAINING, runner=runner or process_runner(), clock=SystemClock(), devices=pool
    )
    await host.start()
    try:
        yield host
    finally:
        await host.begin_stop()
        await host.stop()


async def start(host: Host, session_id: str, gpus: int | None = None) -> Session:
    options = None if gpus is None else SessionOptions(gpus=gpus)
    return await host.sessions.start(kind=KIND, spec=Struct(), session_id=session_id, options=options)


def waits(host: Host, session_id: str) -> str:
    return host.sessions.get(session_id).progress.wait_reason


async def test_the_head_waits_for_its_devices_and_nobody_overtakes(wide: ProbeHostSettings) -> None:
    work = ScriptedWork()
    async with host_with(wide, DevicePool(GPUS), work.runner()) as host:
        await start(host, "a", 2)
        assert list(host.sessions.get("a").devices) == ["cuda:0", "cuda:1"]
        await start(host, "b", 2)
        await start(host, "c", 1)
        await start(host, "d")
        assert waits(host, "b") == "queued, 1st in line: waits for 2 GPUs, 1 is free"
        assert waits(host, "c") == "queued, 2nd in line"
        assert waits(host, "d") == "queued, 3rd in line"
        with pytest.raises(ServiceError) as refused:
            await start(host, "e", 0)
        assert reason_name(refused.value.reason) == "QUEUE_FULL"
        assert refused.value.retry_after is not None
        await work.working("a")
        work.complete("a")
        await eventually(lambda: host.sessions.get("d").state == Session.STATE_RUNNING)
        devices = {name: list(host.sessions.get(name).devices) for name in "bcd"}
        assert devices == {"b": ["cuda:0", "cuda:1"], "c": ["cuda:2"], "d": []}
        assert list(host.sessions.get("a").devices) == ["cuda:0", "cuda:1"], "an ended session says what it had"


async def test_more_devices_than_there_are_are_refused_at_once(wide: ProbeHostSettings) -> None:
    async with host_with(wide, DevicePool(GPUS), ScriptedWork().runner()) as host:
        with pytest.raises(ServiceError) as refused:
            await start(host, "a", 4)
        assert reason_name(refused.value.reason) == "TOO_FEW_DEVICES"
        assert "GPUs asked for: 4; this host has 3" in refused.value.message
        assert not host.sessions.has("a")


async def test_who_came_before_the_devices_were_found_waits_for_them(wide: ProbeHostSettings) -> None:
    work, pool = ScriptedWork(), DevicePool(None)
    async with host_with(wide, pool, work.runner()) as host:
        await start(host, "cpu", 0)
        await work.working("cpu")
        for session_id, gpus in (("a", 1), ("b", 9), ("c", 1)):
            await start(host, session_id, gpus)
        assert waits(host, "a") == "queued, 1st in line: waits until the host has found its GPUs"
        pool.find(GPUS[:2])
        await eventually(lambda: host.sessions.get("c").state == Session.STATE_RUNNING)
        await eventually(lambda: host.sessions.get("b").state == Session.STATE_FAILED)
        info = error_info(host.sessions.get("b").error)
        assert info is not None
        assert info.reason == "TOO_FEW_DEVICES"
        assert [list(host.sessions.get(name).devices) for name in "ac"] == [["cuda:0"], ["cuda:1"]]


async def test_an_adopted_session_keeps_its_devices_and_the_line_its_order(wide: ProbeHostSettings) -> None:
    runner = process_runner()
    async with host_with(wide, DevicePool(GPUS), runner) as host:
        for session_id, gpus in (("a", 1), ("b", 1), ("c", 3), ("d", 1)):
            options = SessionOptions(gpus=gpus)
            spec = worker_spec(epochs=1, hold=1)
            await host.sessions.start(kind=KIND, spec=spec, session_id=session_id, options=options)
        await asyncio.to_thread((wide.folder / "sessions" / "a" / "go").touch)
        await eventually(lambda: host.sessions.get("a").state == Session.STATE_COMPLETED)
    pool = DevicePool(GPUS)
    async with host_with(wide, pool, process_runner()) as host:
        assert list(host.sessions.get("b").devices) == ["cuda:1"]
        assert pool.holder("cuda:1") == "b"
        assert waits(host, "c") == "queued, 1st in line: waits for 3 GPUs, 2 are free"
        assert waits(host, "d") == "queued, 2nd in line"
        for session_id in "bcd":
            (wide.folder / "sessions" / session_id / "go").touch()
        await eventually(lambda: host.sessions.get("d").state == Session.STATE_COMPLETED)
        await eventually(lambda: pool.free == GPUS)
        ends = [host.sessions.get(each).end_time.ToNanoseconds() for each in "bcd"]
        assert ends == sorted(ends)


def told(session: Session) -> Mapping[str, Any]:
    result = Struct()
    assert session.result.Unpack(result)
    found: Mapping[str, Any] = json.loads(str(result["text"]))
    return found


async def test_a_worker_has_the_limits_that_were_asked_for(settings: ProbeHostSettings) -> None:
    options = SessionOptions(memory_limit_bytes=2**30, niceness=7, threads=3)
    async with host_with(settings, DevicePool(), process_runner()) as host:
        for session_id, given in (("limited", options), ("free", None)):
            spec = worker_spec(epochs=1, end="tell")
            await host.sessions.start(kind=KIND, spec=spec, session_id=session_id, options=given)
        await eventually(lambda: all(host.sessions.find(each).settled for each in ("limited", "free")))
        limited, free = (told(host.sessions.get(each)) for each in ("limited", "free"))
        assert host.sessions.get("limited").options == options
        assert not host.sessions.get("free").HasField("options")
    assert limited["data_limit"] == str(2**30)
    assert int(limited["niceness"]) - int(free["niceness"]) == 7
    assert (limited["OMP_NUM_THREADS"], limited["MKL_NUM_THREADS"]) == ("3", "3")
    assert free["data_limit"] != limited["data_limit"]
