"""What is found of keeper and worker while they go on."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.common.clock import SystemClock
from services.host import worker_evidence
from services.host.folder import SessionFolder
from services.host.process_runner import ProcessRunner
from services.host.process_spawn import locked_for_keeper
from services.host.process_table import boot_id, start_ticks
from services.host.records import WorkerRecord
from services.host.runner import Liveness, WorkerView
from services.host.worker_evidence import look, never_started


@pytest.fixture
def session(tmp_path: Path) -> SessionFolder:
    return SessionFolder(tmp_path)


@pytest.fixture
def process() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that waits until it is ended."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as waiting:
        yield waiting
        waiting.kill()


@pytest.fixture
def runner() -> ProcessRunner:
    return ProcessRunner("training", lambda _: (), environment={}, clock=SystemClock())


def write_down(session: SessionFolder, worker: int, ticks: int) -> None:
    record = WorkerRecord(keeper_pid=os.getpid(), worker_pid=worker, worker_start_ticks=ticks, boot_id=boot_id())
    session.worker_record.write_bytes(record.to_bytes())


def test_a_keeper_that_comes_to_its_end_while_it_is_looked_for_has_started_a_worker(
    session: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert never_started(session)

    def ends_meanwhile(folder: SessionFolder) -> bool:
        write_down(folder, os.getpid(), 1)
        folder.exit_record.touch()
        return False

    monkeypatch.setattr(worker_evidence, "keeper_lives", ends_meanwhile)
    assert not never_started(session)


def test_a_worker_that_is_written_down_by_a_keeper_that_is_killed_then_lives(
    session: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_killed_meanwhile(folder: SessionFolder) -> bool:
        write_down(folder, os.getpid(), start_ticks(os.getpid()))
        return False

    monkeypatch.setattr(worker_evidence, "keeper_lives", is_killed_meanwhile)
    assert look(session) == WorkerView(Liveness.ALIVE, os.getpid())


async def test_a_process_that_has_got_the_number_of_a_reaped_worker_is_not_signalled(
    session: SessionFolder, runner: ProcessRunner, process: "subprocess.Popen[bytes]"
) -> None:
    write_down(session, process.pid, start_ticks(process.pid) - 1)
    with locked_for_keeper(session):
        assert look(session).liveness is Liveness.ALIVE, "the keeper is about to write down the worker's end"
        assert not await runner.terminate(session)
        assert not await runner.kill(session)
    assert process.poll() is None


async def test_the_process_that_was_started_is_signalled(
    session: SessionFolder, runner: ProcessRunner, process: "subprocess.Popen[bytes]"
) -> None:
    write_down(session, process.pid, start_ticks(process.pid))
    with locked_for_keeper(session):
        assert await runner.terminate(session)
    assert process.wait() == -signal.SIGTERM
