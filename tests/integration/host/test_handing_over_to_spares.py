"""What becomes of a session whose spare, keeper or host ends at each step of the hand-over."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from google.protobuf import json_format

from services.host.folder import SessionFolder
from services.host.process_spawn import keeper_lives, locked_for_keeper
from services.host.records import ExitRecord, ResultRecord
from services.host.runner import Liveness
from services.host.spare import spare_worker
from services.host.spare.handover import Handover
from services.host.spare.spare_worker import SpareWorker
from services.host.worker_evidence import look, never_started
from tests.support.eventually import eventually, eventually_sync
from tests.support.host_service import (
    ProbeHostSettings,
    session_processes,
    sigkill,
    spare_command,
    worker_command,
    worker_environment,
)
from tests.support.session_worker import worker_spec

pytestmark = pytest.mark.kill


@pytest.fixture
async def spare(settings: ProbeHostSettings) -> AsyncIterator[SpareWorker]:
    """A spare whose worker waits for a session."""
    settings.folder.mkdir()
    spare = await asyncio.to_thread(SpareWorker.start, settings.folder, spare_command(settings), worker_environment())
    assert await spare.ready()
    yield spare
    spare.end()


@pytest.fixture
def session(settings: ProbeHostSettings) -> SessionFolder:
    """A session whose worker says something and completes."""
    session = SessionFolder(settings.folder / "sessions" / "one")
    session.path.mkdir(parents=True)
    session.spec.write_text("{}")
    return session


def worker_of(spare: SpareWorker) -> psutil.Process:
    (worker,) = psutil.Process(spare.pid).children()
    return worker


def hand_over(spare: SpareWorker, session: SessionFolder) -> bool:
    with locked_for_keeper(session) as lock:
        return spare.hand_over(session, lock, worker_command(session), {})


def completed(session: SessionFolder) -> bool:
    result = ResultRecord.load(session.result_record)
    return result is not None and result.outcome == "completed"


def nothing_is_left(settings: ProbeHostSettings, session: SessionFolder) -> None:
    """Check that the session can be begun by whoever comes: no process, no lock, no trace."""
    eventually_sync(lambda: not session_processes(settings.home))
    # A process that ends loses its command line before its locks.
    eventually_sync(lambda: never_started(session))
    assert not session.result_record.exists()


async def test_all_goes_well(spare: SpareWorker, session: SessionFolder) -> None:
    worker = worker_of(spare)
    assert hand_over(spare, session)
    spare.end()
    await eventually(session.exit_record.exists)
    assert completed(session)
    ended = ExitRecord.load(session.exit_record)
    assert ended is not None
    assert (ended.code, ended.memory_limit_bytes, ended.oom_kills) == (0, 0, 0)
    assert not worker.is_running()


async def test_more_than_a_socket_takes_at_once(spare: SpareWorker, session: SessionFolder) -> None:
    worker = worker_of(spare)
    session.spec.write_text(json_format.MessageToJson(worker_spec(epochs=1, hold=1)))
    with locked_for_keeper(session) as lock:
        assert spare.hand_over(session, lock, worker_command(session), {"LARGE": "x" * 2**21})
    await eventually(lambda: look(session).liveness is Liveness.ALIVE and look(session).pid == worker.pid)
    (session.path / "go").touch()
    await eventually(session.exit_record.exists)
    assert completed(session)


async def test_a_keeper_that_was_killed_just_before(
    settings: ProbeHostSettings, spare: SpareWorker, session: SessionFolder
) -> None:
    sigkill(spare.pid)
    assert not hand_over(spare, session)
    nothing_is_left(settings, session)


async def test_a_worker_that_was_killed_just_before(
    settings: ProbeHostSettings, spare: SpareWorker, session: SessionFolder
) -> None:
    worker = worker_of(spare)
    # The keeper finds its worker's end together with the session.
    os.kill(spare.pid, signal.SIGSTOP)
    sigkill(worker.pid)
    await eventually(lambda: worker.status() == psutil.STATUS_ZOMBIE)
    handing_over = asyncio.create_task(asyncio.to_thread(hand_over, spare, session))
    await eventually(lambda: keeper_lives(session))
    os.kill(spare.pid, signal.SIGCONT)
    assert not await handing_over
    nothing_is_left(settings, session)


async def test_a_keeper_that_does_not_answer(
    settings: ProbeHostSettings, spare: SpareWorker, session: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spare_worker, "_HANDOVER_SECONDS", 0.05)
    os.kill(spare.pid, signal.SIGSTOP)
    assert not hand_over(spare, session)
    nothing_is_left(settings, session)


async def test_a_keeper_killed_before_it_has_written_down_what_it_took(
    settings: ProbeHostSettings, spare: SpareWorker, session: SessionFolder
) -> None:
    # A pipe without a reader holds up whoever opens it to write.
    os.mkfifo(session.path / "worker.json.tmp")
    assert hand_over(spare, session)
    spare.end()
    assert keeper_lives(session)
    assert not never_started(session)
    sigkill(spare.pid)
    nothing_is_left(settings, session)


async def test_a_keeper_killed_once_the_worker_knows(spare: SpareWorker, session: SessionFolder) -> None:
    os.mkfifo(session.path / "exit.json.tmp")
    assert hand_over(spare, session)
    await eventually(session.worker_record.exists)
    sigkill(spare.pid)
    await eventually(lambda: completed(session))
    assert not never_started(session)
    assert not session.exit_record.exists()


class TestTheHostIsKilled:
    """Its end of the socket is closed by the system, wherever it was."""

    @pytest.fixture
    def connection(self, spare: SpareWorker) -> socket.socket:
        connection = spare._connection
        connection.setblocking(True)
        return connection

    async def test_while_the_spare_waits(
        self, settings: ProbeHostSettings, spare: SpareWorker, session: SessionFolder
    ) -> None:
        spare.end()
        nothing_is_left(settings, session)

    async def test_within_its_message(
        self, settings: ProbeHostSettings, connection: socket.socket, session: SessionFolder
    ) -> None:
        line = message_for(session)
        with locked_for_keeper(session) as lock:
            socket.send_fds(connection, [line[:-1]], [lock])
            connection.close()
        nothing_is_left(settings, session)

    async def test_after_its_message(
        self, spare: SpareWorker, connection: socket.socket, session: SessionFolder
    ) -> None:
        with locked_for_keeper(session) as lock:
            socket.send_fds(connection, [message_for(session)], [lock])
            connection.close()
        # Without a gap: somebody who starts now does not take the session for one that nobody works on.
        assert not never_started(session)
        await eventually(lambda: completed(session))
        await eventually(lambda: not psutil.pid_exists(spare.pid))
        assert session.exit_record.exists()


def message_for(session: SessionFolder) -> bytes:
    return Handover(str(session.path), str(session.log), list(worker_command(session)), {}).to_line()


async def test_what_is_printed_goes_to_the_log_of_the_session(spare: SpareWorker, session: SessionFolder) -> None:
    session.log.write_text("before\n")
    assert hand_over(spare, session)
    await eventually(session.exit_record.exists)
    assert session.log.read_text() == "before\na spare begins\n"


async def test_a_log_that_cannot_be_opened_holds_nobody_up(spare: SpareWorker, session: SessionFolder) -> None:
    session.log.mkdir()
    assert hand_over(spare, session)
    await eventually(lambda: completed(session))
    assert "a spare begins" in spare.said()


def test_a_hand_over_survives_names_that_are_no_text(tmp_path: Path) -> None:
    odd = os.fsdecode(b"\xff\xfe\n")
    handover = Handover(odd, str(tmp_path), [odd, "b"], {"NAME": odd})
    line = handover.to_line()
    assert line.count(b"\n") == 1
    assert Handover.from_line(line) == handover
