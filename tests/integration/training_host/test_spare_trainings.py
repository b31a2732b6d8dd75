"""Trainings in workers that had everything loaded before they were asked."""

from pathlib import Path

import psutil
import pytest
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.training.v1.training_pb2 import TrainingResult

from services.host.folder import SessionFolder
from services.host.records import WorkerRecord
from services.host.spare.spare_workers import SpareWorkers
from tests.support.eventually import eventually, eventually_sync
from tests.support.host_service import session_processes
from tests.support.recorded_bars import write_recorded_bars
from tests.support.service_process import ServiceProcess
from tests.support.training_service import TrainingCalls, local_spec, served_training_host

READY = "spare_worker_ready"


def spares_of(calls: TrainingCalls) -> SpareWorkers:
    spares = calls.service._spares
    assert spares is not None
    return spares


async def result_of(calls: TrainingCalls, session_id: str) -> TrainingResult:
    session = await calls.end(session_id)
    assert session.state == Session.STATE_COMPLETED, session.error
    result = TrainingResult()
    assert session.result.Unpack(result)
    return result


async def test_a_spare_trains_the_same_model_as_a_worker_of_its_own(tmp_path: Path) -> None:
    home, bars = tmp_path / "home", write_recorded_bars("AAPL", tmp_path / "AAPL.csv")
    spec = local_spec(bars, training__epochs="2")
    async with served_training_host(home, spare_workers=1) as calls:
        await eventually(lambda: spares_of(calls).ready, timeout_seconds=150)
        (keeper,) = spares_of(calls).ready
        await calls.start(spec, session_id="spare")
        spare = await result_of(calls, "spare")
        record = WorkerRecord.load(SessionFolder(home / "training-host/sessions/spare").worker_record)
        assert record is not None
        assert record.keeper_pid == keeper
        await calls.start(spec, session_id="own")
        own = await result_of(calls, "own")
        record = WorkerRecord.load(SessionFolder(home / "training-host/sessions/own").worker_record)
        assert record is not None
        assert record.keeper_pid != keeper
    assert spare.model_version == own.model_version
    assert not session_processes(home)


@pytest.mark.kill
def test_spares_end_with_a_host_that_is_killed(tmp_path: Path) -> None:
    host = ServiceProcess("training-host", tmp_path, ["--spare-workers", "1"])
    host.start()
    try:
        eventually_sync(lambda: READY in host.log, timeout_seconds=150)
        keeper, worker = (each for each in session_processes(tmp_path) if each.pid != host.pid)
    finally:
        host.kill()
    psutil.wait_procs([keeper, worker], timeout=60)
    assert not session_processes(tmp_path)
