"""The bridge under every Python from 3.11 on that this machine has, with nothing installed."""

import subprocess
from pathlib import Path

import ktrdr_bridge
import pytest
from ktrdr_bridge import JournalReader

from tests.support.interpreters import interpreter

EXERCISE = Path(__file__).with_name("exercise_bridge.py")
MINORS = (11, 12, 13, 14)


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
