"""The guard against leftovers finds what it is for."""

import asyncio
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support import leaks
from tests.support.leaks import leftover_tasks, nothing_left_behind


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "PATIENCE_SECONDS", 0.1)


def test_a_process_is_found_and_ended() -> None:
    with pytest.raises(AssertionError, match=r"process .*the_sleeper"), nothing_left_behind():
        process = subprocess.Popen([sys.executable, "-c", "the_sleeper = 1; import time; time.sleep(60)"])
    assert process.wait(timeout=60) == -9


def test_a_process_that_is_no_child_is_found_by_the_folder_it_works_in(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', sys.argv[1]], "
        "stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)"
    )
    with pytest.raises(AssertionError, match=r"process \d+"), nothing_left_behind(tmp_path):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "session")], check=True, capture_output=True)


def test_a_thread_is_found() -> None:
    end = threading.Event()
    with pytest.raises(AssertionError, match="thread the loiterer"), nothing_left_behind():
        threading.Thread(target=end.wait, name="the loiterer").start()
    end.set()


def test_a_listening_port_is_found() -> None:
    with pytest.raises(AssertionError, match="listening port"), nothing_left_behind():
        server = socket.create_server(("127.0.0.1", 0))
    server.close()


def test_an_open_file_is_found(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"file descriptor \d+: .*left-open"), nothing_left_behind():
        file = (tmp_path / "left-open").open("w")
    file.close()


async def test_a_task_is_found() -> None:
    task = asyncio.create_task(asyncio.Event().wait(), name="the idler")
    assert ["the idler" in text for text in await leftover_tasks()] == [True]
    task.cancel()


def test_a_tidy_block_passes(tmp_path: Path) -> None:
    with nothing_left_behind(tmp_path):
        subprocess.run([sys.executable, "-c", "pass", str(tmp_path)], check=True)
        (tmp_path / "file").write_text("closed")
