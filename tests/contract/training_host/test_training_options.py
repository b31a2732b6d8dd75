"""What a training is given to work with, over the wire: GPUs (made-up ones), limits, and every refusal."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import psutil
import pytest
from google.protobuf.duration_pb2 import Duration
from ktrdr.host.v1 import host_pb2
from ktrdr.host.v1.session_pb2 import Session, SessionOptions

from services.common.errors import status_of_call
from tests.support.eventually import eventually
from tests.support.recorded_bars import write_recorded_bars
from tests.support.training_service import TrainingCalls, local_spec, reason_and_fields, served_training_host

LONG = {"training__epochs": "100000", "training__early_stopping": "null"}


@pytest.fixture
async def calls(tmp_path: Path) -> AsyncIterator[TrainingCalls]:
    async with served_training_host(tmp_path / "home", slots=3, gpus=["2", "GPU-abc"]) as calls:
        yield calls


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    return write_recorded_bars("AAPL", tmp_path / "AAPL.csv")


async def refusal(
    calls: TrainingCalls, bars: Path, options: SessionOptions, **overrides: str
) -> tuple[grpc.StatusCode, str, dict[str, str]]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await calls.start(local_spec(bars, **LONG, **overrides), options=options)
    status = status_of_call(caught.value)
    assert status is not None
    return caught.value.code(), *reason_and_fields(status)


async def environment(calls: TrainingCalls, session_id: str) -> dict[str, str]:
    """Return the environment of a session's worker, once it is there."""
    found: list[dict[str, str]] = []

    async def look() -> bool:
        pid = (await calls.session(session_id)).worker_pid
        if pid:
            found.append(psutil.Process(pid).environ())
        return bool(pid)

    await eventually(look)
    return found[0]


async def test_trainings_have_gpus_for_themselves(calls: TrainingCalls, bars: Path) -> None:
    spec = local_spec(bars, **LONG)
    first = await calls.start(spec, session_id="first")
    assert first.options.HasField("gpus")
    assert first.options.gpus == 1, "one, where nothing is said and the host has some"
    await calls.start(local_spec(bars, training__device="cpu", **LONG), session_id="cpu")
    await calls.start(spec, session_id="none", options=SessionOptions(gpus=0))
    told = {name: await calls.session(name) for name in ("first", "cpu", "none")}
    assert {name: list(each.devices) for name, each in told.items()} == {"first": ["cuda:0"], "cpu": [], "none": []}
    visible = {name: (await environment(calls, name))["CUDA_VISIBLE_DEVICES"] for name in told}
    assert visible == {"first": "2", "cpu": "", "none": ""}
    host = await calls.host.GetHost(host_pb2.GetHostRequest(), timeout=60)
    assert {device.name: device.session_id for device in host.devices} == {"cpu": "", "cuda:0": "first", "cuda:1": ""}
    waiting = await calls.start(spec, session_id="both", options=SessionOptions(gpus=2))
    assert waiting.state == Session.STATE_QUEUED
    await calls.host.CancelSession(host_pb2.CancelSessionRequest(session_id="none", now=True), timeout=60)
    await calls.end("none")
    assert (await calls.session("both")).progress.wait_reason == "queued, 1st in line: waits for 2 GPUs, 1 is free"
    await calls.host.CancelSession(host_pb2.CancelSessionRequest(session_id="first", now=True), timeout=60)
    assert (await environment(calls, "both"))["CUDA_VISIBLE_DEVICES"] == "2,GPU-abc"


async def test_limits_reach_the_worker(calls: TrainingCalls, bars: Path) -> None:
    options = SessionOptions(threads=2, niceness=5, memory_limit_bytes=2**32, timeout=Duration(seconds=3_600))
    session = await calls.start(local_spec(bars, **LONG), session_id="a", options=options)
    assert session.options == SessionOptions(
        gpus=1, threads=2, niceness=5, memory_limit_bytes=2**32, timeout=Duration(seconds=3_600)
    )
    assert (await environment(calls, "a"))["OMP_NUM_THREADS"] == "2"
    worker = psutil.Process((await calls.session("a")).worker_pid)
    assert worker.nice() == min(19, psutil.Process().nice() + 5)
    assert worker.rlimit(psutil.RLIMIT_DATA)[0] == 2**32
    line = worker.cmdline()
    assert line[line.index("--threads") + 1] == "2"
    assert line[line.index("--journal-bytes") + 1] == str(64 * 2**20)
    again = await calls.start(local_spec(bars, **LONG), session_id="a", options=options)
    assert again.create_time == session.create_time


async def test_a_training_over_its_time_limit_fails(calls: TrainingCalls, bars: Path) -> None:
    await calls.start(local_spec(bars, **LONG), session_id="a", options=SessionOptions(timeout=Duration(seconds=1)))
    session = await calls.end("a")
    reason, _ = reason_and_fields(session.error)
    assert (session.state, reason) == (Session.STATE_FAILED, "TIME_LIMIT")


async def test_more_gpus_than_there_are(calls: TrainingCalls, bars: Path) -> None:
    code, reason, _ = await refusal(calls, bars, SessionOptions(gpus=3))
    assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "TOO_FEW_DEVICES")


@pytest.mark.parametrize(
    ("options", "device", "field"),
    [
        (SessionOptions(niceness=20), "auto", "options.niceness"),
        (SessionOptions(timeout=Duration(seconds=-1)), "auto", "options.timeout"),
        (SessionOptions(gpus=0), "cuda", "options.gpus"),
        (SessionOptions(gpus=1), "cuda:1", "options.gpus"),
    ],
)
async def test_wrong_options_are_named(
    calls: TrainingCalls, bars: Path, options: SessionOptions, device: str, field: str
) -> None:
    code, reason, fields = await refusal(calls, bars, options, training__device=device)
    assert (code, reason, list(fields)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", [field])
