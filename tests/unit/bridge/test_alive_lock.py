"""Proof of life: the lock says who lives, and never guesses."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ktrdr_bridge import JournalInUse, hold_alive_lock, is_alive
from ktrdr_bridge.alive import boot_id, start_ticks

ASK = """
import sys
from pathlib import Path
from ktrdr_bridge import is_alive
print(is_alive(Path(sys.argv[1])))
"""

HOLD = """
import sys, time
from pathlib import Path
from ktrdr_bridge import hold_alive_lock
lock = hold_alive_lock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def holder(path: Path) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", HOLD, str(path)]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alive.lock"


def test_a_file_that_was_never_made_proves_nothing(path: Path) -> None:
    assert is_alive(path) is None


def test_its_own_process_sees_its_lock_and_does_not_lose_it_by_looking(path: Path) -> None:
    with hold_alive_lock(path):
        assert is_alive(path) is True
        assert is_alive(path) is True
        with pytest.raises(JournalInUse):
            hold_alive_lock(path)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", ASK, str(path)]
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        assert answer.stdout.strip() == "True"
    assert is_alive(path) is False


def test_a_released_lock_can_be_taken_again(path: Path) -> None:
    lock = hold_alive_lock(path)
    lock.release()
    lock.release()
    with hold_alive_lock(path):
        assert is_alive(path) is True


@pytest.mark.kill
def test_a_killed_holder_is_provably_gone(path: Path) -> None:
    with holder(path) as process:
        assert is_alive(path) is True
        with pytest.raises(JournalInUse, match="another process holds"):
            hold_alive_lock(path)
        who = json.loads(path.read_text())
        assert who == {"pid": process.pid, "start_ticks": start_ticks(process.pid), "boot_id": boot_id()}
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert is_alive(path) is False
    with hold_alive_lock(path):
        assert is_alive(path) is True


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere nothing is written down to be looked up")
def test_a_killed_holder_is_gone_before_its_parent_has_taken_notice(path: Path) -> None:
    process = holder(path)
    try:
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        assert is_alive(path) is False
    finally:
        process.communicate()


def test_a_forked_child_neither_holds_nor_drops_its_parent_s_lock(path: Path) -> None:
    with hold_alive_lock(path) as lock:
        pid = os.fork()
        if pid == 0:
            alive = is_alive(path)
            lock.release()
            os._exit(0 if alive is True and path.read_bytes() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert is_alive(path) is True
        pid = os.fork()
        if pid == 0:
            os._exit(0 if is_alive(path) is True else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_lock_that_was_lost_while_its_process_lives_proves_nothing(path: Path) -> None:
    if not boot_id():
        pytest.skip("this system has no boot id to tell a living process by")
    path.write_text(json.dumps({"pid": os.getpid(), "start_ticks": start_ticks(os.getpid()), "boot_id": boot_id()}))
    assert is_alive(path) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "not json",
        "[]",
        "{}",
        '{"pid": 1}',
        json.dumps({"pid": os.getpid(), "start_ticks": 1, "boot_id": boot_id()}),
        json.dumps({"pid": os.getpid(), "start_ticks": start_ticks(os.getpid()), "boot_id": "another boot"}),
        json.dumps({"pid": None, "start_ticks": 1, "boot_id": boot_id()}),
    ],
    ids=["empty", "no-json", "list", "no-keys", "pid-only", "other-ticks", "other-boot", "no-pid"],
)
def test_a_file_nobody_holds_is_proof_of_death_whatever_it_says(path: Path, content: str) -> None:
    path.write_text(content)
    assert is_alive(path) is False
    with hold_alive_lock(path):
        assert is_alive(path) is True
