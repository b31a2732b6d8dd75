"""`ktrdr ops logs` over a system of processes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from tests.support.running_system import RunningSystem


@contextmanager
def logs(system: RunningSystem, *words: str) -> Iterator[IO[str]]:
    """Run `ktrdr ops logs`, and give what it prints; it has to end with exit code 0."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ktrdr_client", "ops", "logs", *words, "-o", "jsonl"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "KTRDR_SERVER": system.operations.address, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    try:
        yield process.stdout
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
