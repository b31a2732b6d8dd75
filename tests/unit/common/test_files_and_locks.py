"""Files are never half-written, and a folder has one owner."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.common.files import FolderInUseError, FolderLock, write_atomically

HOLD = """
import sys
from pathlib import Path
from services.common.files import FolderLock
FolderLock(Path(sys.argv[1]), owner="the other host").acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_file_is_replaced_and_nothing_else_remains(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    for content in (b"first", b"", b"third" * 10_000):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.json"]


def test_a_write_that_fails_leaves_the_old_content_and_no_remains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record.json"
    write_atomically(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.json"]


def test_a_lock_excludes_a_second_owner_in_the_same_process(tmp_path: Path) -> None:
    path = tmp_path / "host.lock"
    with FolderLock(path, owner="training-host gpu-1"):
        with pytest.raises(
            FolderInUseError, match=r"is in use by training-host gpu-1 \(pid \d+ on \S+, since .*--home"
        ):
            FolderLock(path).acquire()
        path.read_bytes()
        with pytest.raises(FolderInUseError):
            FolderLock(path).acquire()
    with FolderLock(path):
        pass


def test_releasing_twice_is_harmless(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "host.lock")
    lock.acquire()
    lock.release()
    lock.release()


@pytest.fixture
def other(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "host.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_lock_ends_with_its_owner_even_by_sigkill(tmp_path: Path, other: "subprocess.Popen[str]") -> None:
    lock = FolderLock(tmp_path / "host.lock")
    with pytest.raises(FolderInUseError, match=rf"the other host \(pid {other.pid}"):
        lock.acquire()
    other.kill()
    other.wait()
    with lock:
        pass


def test_whoever_wrote_nonsense_into_the_lock_file_is_another_process(tmp_path: Path) -> None:
    path = tmp_path / "host.lock"
    with FolderLock(path):
        path.write_bytes(b"\xff{")
        with pytest.raises(FolderInUseError, match="in use by another process"):
            FolderLock(path).acquire()
