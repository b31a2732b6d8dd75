"""Trainings that go on from others, over the wire: what is the same, what is refused, what stops leave behind."""

import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ktrdr.host.v1 import host_pb2
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.training.v1.training_pb2 import StartTrainingRequest, TrainingResult, TrainingSpec

from services.training_host.checkpoints.places import checkpoint_folders
from tests.support.eventually import eventually
from tests.support.refusals import refusal
from tests.support.tiny_trainings import model_files, run_tiny, tiny_spec, write_bars
from tests.support.training_service import TrainingCalls, reason_and_fields, served_training_host

AT_STOPS = {"training.checkpoints": "{every_epochs: null, every_seconds: null}", "training.epochs": "400"}
"""Long enough to be stopped; what is there then was written for the stop."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
async def calls(home: Path) -> AsyncIterator[TrainingCalls]:
    async with served_training_host(home, cancel_grace_seconds=30.0) as calls:
        yield calls


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    return write_bars(tmp_path / "bars.csv")


def folder(home: Path, session_id: str) -> Path:
    return home / "training-host" / "sessions" / session_id


async def trains(calls: TrainingCalls, session_id: str, epochs: int) -> Session:
    """Wait until a session has trained so many epochs."""

    async def far_enough() -> Session | None:
        session = await calls.session(session_id)
        progress = session.progress
        return session if progress.phase == "train" and progress.completed >= epochs else None

    session = await eventually(far_enough, timeout_seconds=60)
    assert session is not None
    return session


async def cancelled(calls: TrainingCalls, spec: TrainingSpec, session_id: str, **fields: str) -> None:
    """Start a session, and cancel it after some epochs."""
    await calls.start(spec, session_id=session_id, **fields)
    await trains(calls, session_id, 3)
    await calls.host.CancelSession(host_pb2.CancelSessionRequest(session_id=session_id), timeout=20)
    assert (await calls.end(session_id)).state == Session.STATE_CANCELLED


def result_of(session: Session) -> TrainingResult:
    assert session.state == Session.STATE_COMPLETED, session.error.message
    result = TrainingResult()
    assert session.result.Unpack(result)
    return result


async def test_cancelled_stopped_by_the_system_and_by_the_host_it_comes_to_the_same(
    home: Path, tmp_path: Path, bars: Path
) -> None:
    spec = tiny_spec(bars, AT_STOPS)
    async with served_training_host(home, on_stop="checkpoint", stop_grace_seconds=30.0) as calls:
        await cancelled(calls, spec, "one")
        assert len(checkpoint_folders(folder(home, "one") / "checkpoints")) == 1
        await calls.start(spec, session_id="two", checkpoint_session_id="one")
        session = await trains(calls, "two", 6)
        os.kill(session.worker_pid, signal.SIGTERM)
        assert (await calls.end("two")).state == Session.STATE_CANCELLED
        await calls.start(spec, session_id="three", checkpoint_session_id="two")
        far = (await trains(calls, "three", 9)).progress.completed
    async with served_training_host(home) as calls:
        three = await calls.end("three")
        assert three.state == Session.STATE_CANCELLED
        assert reason_and_fields(three.error)[0] == "HOST_STOPPED"
        await calls.start(spec, session_id="four", checkpoint_session_id="three")
        result = result_of(await calls.end("four"))
    assert result.resumed_epochs >= far
    whole = run_tiny(tmp_path / "whole", bars, AT_STOPS)
    assert result.model_version == whole.version
    assert model_files(folder(home, "four")) == model_files(tmp_path / "whole")
    assert not (folder(home, "four") / "checkpoints").exists(), "it has its model"
    assert (folder(home, "three") / "checkpoints").exists()


async def test_one_that_waits_keeps_what_it_goes_on_from_whatever_becomes_of_the_other_and_of_the_host(
    home: Path, bars: Path
) -> None:
    spec = tiny_spec(bars, AT_STOPS)
    asked = {"session_id": "two", "request_id": "r", "checkpoint_session_id": "one"}
    async with served_training_host(home, cancel_grace_seconds=30.0) as calls:
        await cancelled(calls, spec, "one")
        await calls.start(spec, session_id="busy")
        first = await calls.start(spec, **asked)
        assert first.state == Session.STATE_QUEUED
        await calls.host.DeleteSession(host_pb2.DeleteSessionRequest(session_id="one"), timeout=20)
        await eventually(lambda: not folder(home, "one").exists())
        assert (await calls.start(spec, **asked)).create_time == first.create_time
        anew = StartTrainingRequest(spec=spec, session_id="two")
        assert (await refusal(calls.trainings.StartTraining(anew, timeout=10))).reason == "SESSION_EXISTS"
    async with served_training_host(home, cancel_grace_seconds=30.0) as calls:
        assert (await calls.start(spec, **asked)).create_time == first.create_time
        await trains(calls, "two", 4)
        await calls.host.CancelSession(host_pb2.CancelSessionRequest(session_id="two"), timeout=20)
        assert (await calls.end("two")).state == Session.STATE_CANCELLED
    assert "training_resumed" in (folder(home, "two") / "log.jsonl").read_text()


async def test_what_cannot_be_gone_on_with_is_refused_and_leaves_no_session(
    home: Path, calls: TrainingCalls, bars: Path
) -> None:
    spec = tiny_spec(bars, AT_STOPS)
    await cancelled(calls, spec, "one")

    async def refused(session_id: str, **overrides: str) -> str:
        changes = {name.replace("__", "."): value for name, value in overrides.items()}
        request = StartTrainingRequest(
            spec=tiny_spec(bars, AT_STOPS | changes), session_id="next", checkpoint_session_id=session_id
        )
        found = await refusal(calls.trainings.StartTraining(request, timeout=10))
        assert found.reason == "CHECKPOINT_NOT_FOUND"
        assert "--from-checkpoint" in found.message
        return found.message

    assert "no such session" in await refused("none")
    assert "no such session" in await refused("../etc")
    assert "differs in training.seed" in await refused("one", training__seed="6")
    checkpoints = folder(home, "one") / "checkpoints"
    (newest,) = checkpoint_folders(checkpoints)
    (newest / "loop.safetensors").write_bytes(b"cut")
    assert "All that it has are damaged" in await refused("one")
    shutil.rmtree(checkpoints)
    assert "It wrote none" in await refused("one")
    listed = await calls.host.ListSessions(host_pb2.ListSessionsRequest(), timeout=20)
    assert [session.id for session in listed.sessions] == ["one"]
    assert sorted(path.name for path in folder(home, "one").parent.iterdir()) == ["one"]
