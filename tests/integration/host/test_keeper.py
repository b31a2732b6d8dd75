import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from services.host import keeper
from services.host.folder import SessionFolder
from services.host.process_spawn import keeper_lives, locked_for_keeper, spawn_keeper
from services.host.records import ExitRecord, WorkerRecord
from services.host.runner import Liveness
from services.host.spare import spare_keeper
from services.host.worker_evidence import look
from tests.support.eventually import eventually_sync
from tests.support.host_service import sigkill
from tests.support.process_ends import has_ended


def spawn(session: SessionFolder, command: Sequence[str]) -> None:
    with locked_for_keeper(session) as lock:
        spawn_keeper(session, command, os.environ, lock=lock)


def run(session: SessionFolder, command: Sequence[str]) -> ExitRecord:
    """Let a keeper run a command to its end, and return what it wrote down."""
    spawn(session, command)
    eventually_sync(session.exit_record.exists)
    ended = ExitRecord.load(session.exit_record)
    assert ended is not None
    return ended


def started(session: SessionFolder, command: Sequence[str]) -> tuple[int, int]:
    """Start a command, and return the pids of keeper and worker."""
    spawn(session, command)

    def pids() -> tuple[int, int] | None:
        record = WorkerRecord.load(session.worker_record)
        return (record.keeper_pid, record.worker_pid) if record is not None and record.worker_pid else None

    found = eventually_sync(pids)
    assert found is not None
    return found


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


@pytest.fixture
def session(tmp_path: Path) -> SessionFolder:
    return SessionFolder(tmp_path)


@pytest.mark.parametrize("code", [0, 3, 255])
def test_the_exit_code_is_written_down(session: SessionFolder, code: int) -> None:
    ended = run(session, python(f"raise SystemExit({code})"))
    assert (ended.code, ended.signal) == (code, None)
    assert ended.max_rss_bytes > 2**20
    eventually_sync(lambda: not keeper_lives(session))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT])
def test_the_signal_is_written_down(session: SessionFolder, number: signal.Signals) -> None:
    ended = run(session, python(f"import os; os.kill(os.getpid(), {int(number)})"))
    assert (ended.code, ended.signal) == (None, number)


def test_a_command_that_cannot_be_started_is_said_in_the_log(session: SessionFolder) -> None:
    assert run(session, ["/no/such/program"]).code == 127
    assert "cannot start /no/such/program" in session.log.read_text()


def test_output_of_the_worker_is_appended_to_the_log(session: SessionFolder) -> None:
    session.log.write_text("before\n")
    run(session, python("import sys; print('out'); print('err', file=sys.stderr)"))
    assert sorted(session.log.read_text().split()) == ["before", "err", "out"]


def test_the_keeper_leads_a_session_and_the_worker_a_group_of_its_own(session: SessionFolder) -> None:
    code = "import os; print(os.getpid(), os.getpgid(0), os.getppid(), os.getsid(0), os.getsid(os.getppid()))"
    run(session, python(code))
    worker, group, parent, worker_session, parent_session = map(int, session.log.read_text().split())
    assert group == worker
    assert parent == parent_session == worker_session
    assert os.getsid(0) != parent_session
    record = WorkerRecord.load(session.worker_record)
    assert record is not None
    assert (record.keeper_pid, record.worker_pid) == (parent, worker)


def test_the_keeper_outlives_polite_signals_and_the_worker_gets_them(session: SessionFolder) -> None:
    keeper_pid, worker_pid = started(session, python("import time; time.sleep(600)"))
    for polite in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(keeper_pid, polite)
    assert look(session).liveness is Liveness.ALIVE
    os.kill(worker_pid, signal.SIGTERM)
    eventually_sync(session.exit_record.exists)
    assert json.loads(session.exit_record.read_text())["signal"] == signal.SIGTERM


def test_there_is_one_keeper_at_a_time(session: SessionFolder) -> None:
    _, worker_pid = started(session, python("import time; time.sleep(600)"))
    with pytest.raises(BlockingIOError):
        spawn(session, python("pass"))
    sigkill(worker_pid)
    eventually_sync(lambda: not keeper_lives(session))
    spawn(session, python("pass"))
    eventually_sync(lambda: json.loads(session.exit_record.read_text())["code"] == 0)


def test_a_keeper_whose_folder_was_removed_ends_with_its_worker(tmp_path: Path) -> None:
    session = SessionFolder(tmp_path / "one")
    session.path.mkdir()
    keeper_pid, worker_pid = started(session, python("import time; time.sleep(600)"))
    shutil.rmtree(session.path)
    sigkill(worker_pid)
    eventually_sync(lambda: not psutil.pid_exists(keeper_pid))


def test_a_worker_that_ended_leaves_none_of_its_children(session: SessionFolder) -> None:
    code = "import os, time\nchild = os.fork()\nif child: print(child, flush=True)\nelse: time.sleep(600)"
    run(session, python(code))
    child = int(session.log.read_text())
    eventually_sync(lambda: has_ended(child))


@pytest.mark.parametrize(
    ("script", "of_ours"),
    [
        (keeper.__file__, set()),
        (
            spare_keeper.__file__,
            {"", ".host", ".host.keeper", ".host.spare", ".host.spare.handover", ".host.spare.output"},
        ),
    ],
    ids=["keeper", "spare keeper"],
)
def test_the_keeper_needs_nothing_but_a_few_standard_modules(script: str, of_ours: set[str]) -> None:
    code = f"import runpy, sys; runpy.run_path({script!r}); print(*sorted(sys.modules))"
    shown = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    loaded = set(shown.stdout.split())
    assert {name.removeprefix("services") for name in loaded if name.startswith("services")} == of_ours
    assert not {name for name in loaded if name.partition(".")[0] in {"ktrdr", "ktrdr_bridge", "grpc", "structlog"}}
    assert not {"subprocess", "pathlib", "logging", "asyncio"} & loaded
