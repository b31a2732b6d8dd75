"""A process that has imported everything and forks services: a start takes 0.1 s instead of a second.

`python -m tests.support.kills.template` reads one JSON object a line, {"module", "arguments", "log"}, forks a process
that runs the module's `command` with the arguments, and answers with its pid. It has one thread, no event loop and
nothing of grpc in use, so that what it forks is as good as new. Linux.
"""

import importlib
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final, Self

MODULES: Final = {"training-host": "tests.support.kills.host", "operations": "services.operations.command"}


def main() -> None:
    """Fork on request until the input ends."""
    for module in MODULES.values():
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            become(request)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def become(request: dict[str, object]) -> None:
    """Turn this fork into the service."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    random.seed()
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(str(request["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    code = 1
    try:
        importlib.import_module(str(request["module"])).command(args=request["arguments"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        os._exit(code)


class Template:
    """The test's side of the template process, as a context manager."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-m", "tests.support.kills.template"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, env=environment, text=True, stdin=pipe, stdout=pipe)
        assert self._answer() == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.communicate("", timeout=60)

    def fork(self, service: str, arguments: list[str], log: Path) -> int:
        """Start a service and return its pid."""
        assert self._process is not None
        assert self._process.stdin is not None
        request = {"module": MODULES[service], "arguments": arguments, "log": str(log)}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._answer())

    def _answer(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


if __name__ == "__main__":
    main()
