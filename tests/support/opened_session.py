"""A user's own process that has opened a session, and does what a test tells it, line by line."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

ROOT: Final = Path(__file__).parents[2]

_OBEY: Final = """
import sys
import ktrdr_bridge

for line in sys.stdin:
    print(eval(line) if line.startswith("bridge.cancelled") else exec(line) or "done", flush=True)
"""


class OpenedSession:
    """A real process with `open_session` in it.

    Args:
        home: Its KTRDR_HOME.
        arguments: Arguments of `open_session`, as Python text.
    """

    def __init__(self, home: Path, arguments: str = "'my run', total_epochs=4, session_id='mine'") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _OBEY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT / "clients"), "KTRDR_HOME": str(home)},
        )
        self.do(f"bridge = ktrdr_bridge.open_session({arguments})")

    def do(self, line: str) -> str:
        """Let it execute a line, and return what that answers."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert answer, self.end()
        return answer

    def epochs(self, first: int, last: int) -> None:
        """Let it report epochs with a metric."""
        for epoch in range(first, last + 1):
            self.do(f"bridge.on_epoch({epoch}, {{'train_loss': 1 / {epoch}}})")

    def interrupt(self) -> str:
        """Press Ctrl-C, and return what it prints as it ends."""
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.process.kill()
        self.end()

    def end(self) -> str:
        """Let it come to its end, and return what it printed on stderr."""
        return self.process.communicate(timeout=60)[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.kill()
