"""The bridge under every Python from 3.11 on that this machine has, with nothing installed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import ktrdr_bridge
import pytest
from ktrdr_bridge import JournalReader

EXERCISE = Path(__file__).with_name("exercise_bridge.py")
MINORS = (11, 12, 13, 14)


def interpreter(minor: int) -> str | None:
    """Return a Python 3.`minor`: this one, one on the path, or one that pyenv has."""
    if sys.version_info[:2] == (3, minor):
        return sys.executable
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    by_pyenv = sorted(root.glob(f"versions/3.{minor}.*/bin/python"), key=_patch)
    for found in (*map(str, reversed(by_pyenv)), shutil.which(f"python3.{minor}")):
        if found is not None and _runs(found, minor):
            return found
    return None


def _patch(path: Path) -> int:
    match = re.fullmatch(r"3\.\d+\.(\d+)", path.parent.parent.name)
    return int(match[1]) if match else -1


def _runs(command: str, minor: int) -> bool:
    asked = [command, "-I", "-S", "-c", "import sys; print(*sys.version_info[:2])"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.split() == ["3", str(minor)]


@pytest.mark.parametrize("minor", MINORS)
def test_all_of_it_works_under_every_supported_python(minor: int, tmp_path: Path) -> None:
    python = interpreter(minor)
    if python is None:
        pytest.skip(f"no Python 3.{minor} here")
    clients = Path(ktrdr_bridge.__file__ or "").parent.parent
    command = [python, "-I", "-S", "-W", "error", str(EXERCISE), str(clients), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (done.stderr, done.stdout, done.returncode) == ("", "all is well\n", 0)
    for name, rows in {"collected": 1, "at-exit": 180, "left": 180, "forked": 300}.items():
        reader = JournalReader(tmp_path / name)
        found = reader.read(max_points=10**7)
        assert (found.damage, found.next.seq) == ("", rows)
        reader.close()
    assert not list(tmp_path.glob("*.next"))
