"""Trainings that go on from others, over the wire: what is the same, what is refused, what stops leave behind."""

import os
import shutil
import signal
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

AT_STOPS = {"training.checkpoints": "{every_epochs: null, every_seconds: null}", "training.epochs": "100000"}
"""Never done before it is stopped, however late that is; what is there then was written for the stop."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


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
        far = progress.phase == "train" and progress.completed >= epochs
        return session if far and session.worker_pid else None

    session = await eventually(far_enough, timeout_seconds=150)
    assert session is not None
    return session


def result_of(session: Session) -> TrainingResult:
    assert session.state == Session.STATE_COMPLETED, session.error.message
    result = TrainingResult()
    assert session.result.Unpack(result)
    return result


async def refused(calls: TrainingCalls, spec: TrainingSpec, session_id: str) -> str:
    request = StartTrainingRequest(spec=spec, session_id="refused", checkpoint_session_id=session_id)
    found = await refusal(calls.trainings.StartTraining(request, timeout=60))
    assert found.reason == "CHECKPOINT_NOT_FOUND"
    message: str = found.message
    assert "--from-checkpoint" in message
    return message


async def test_terminated_and_stopped_with_its_host_it_comes_to_the_same(
    home: Path, tmp_path: Path, bars: Path
) -> None:
    spec = tiny_spec(bars, AT_STOPS)
    asked = {"session_id": "three", "request_id": "r", "checkpoint_session_id": "one"}
    settings = {"cancel_grace_seconds": 30.0, "stop_grace_seconds": 30.0, "spare_workers": 0}
    async with served_training_host(home, on_stop="checkpoint", **settings) as calls:
        await calls.start(spec, session_id="one")
        os.kill((await trains(calls, "one", 3)).worker_pid, signal.SIGTERM)
        one = await calls.end("one")
        assert one.state == Session.STATE_CANCELLED
        to_the_end = AT_STOPS | {"training.epochs": str(int(one.progress.completed) + 50)}
        last = tiny_spec(bars, to_the_end)
        assert len(checkpoint_folders(folder(home, "one") / "checkpoints")) == 1
        other = tiny_spec(bars, AT_STOPS | {"training.seed": "6"})
        assert "differs in training.seed" in await refused(calls, other, "one")

        await calls.start(spec, session_id="two", checkpoint_session_id="one")
        # It waits in line, and keeps what it goes on from, whatever becomes of the other one and of the host.
        first = await calls.start(last, **asked)
        assert first.state == Session.STATE_QUEUED
        await calls.host.DeleteSession(host_pb2.DeleteSessionRequest(session_id="one"), timeout=60)
        await eventually(lambda: not folder(home, "one").exists())
        assert (await calls.start(last, **asked)).create_time == first.create_time
        anew = StartTrainingRequest(spec=last, session_id="three")
        assert (await refusal(calls.trainings.StartTraining(anew, timeout=60))).reason == "SESSION_EXISTS"
        listed = await calls.host.ListSessions(host_pb2.ListSessionsRequest(), timeout=60)
        assert {session.id for session in listed.sessions} == {"two", "three"}, "what was refused has left nothing"
        assert (await trains(calls, "two", 4)).progress.total == 100_000

    async with served_training_host(home, **settings) as calls:
        two = await calls.end("two")
        assert two.state == Session.STATE_CANCELLED
        assert reason_and_fields(two.error)[0] == "HOST_STOPPED"
        taken, *written = reversed(checkpoint_folders(folder(home, "two") / "checkpoints"))
        assert len(written) == 1, "it has written one of its own beside the one that it went on from"
        assert (await calls.start(last, **asked)).create_time == first.create_time
        result = result_of(await calls.end("three"))
        assert result.resumed_epochs >= 2, "the third was scored, perhaps, when it was stopped: not whole yet"
        assert not (folder(home, "three") / "checkpoints").exists(), "it has its model"
        shutil.rmtree(taken.parent)
        for name in ("two", "three"):
            assert "It wrote none" in await refused(calls, spec, name)

    whole = run_tiny(tmp_path / "whole", bars, to_the_end)
    assert result.model_version == whole.version
    assert model_files(folder(home, "three")) == model_files(tmp_path / "whole")
