"""A process that trains sessions in children, which can be killed: `python -m tests.support.training_victim`.

It loads PyTorch once. For each path of a session's folder that it reads it starts a child that is a worker of
the training host, and writes the child's process id; when the child has ended, how it did. Made for tests that kill
many workers, each of which would otherwise load PyTorch anew.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from google.protobuf import any_pb2
from ktrdr.training.v1.training_pb2 import TrainingSpec

from services.host.creation import Furnish, create_session_folder, unfurnished
from services.host.folder import SessionFolder
from services.training_host.checkpoints.take_over import take_over
from services.training_host.strategy.check import load_strategy
from tests.support.accepted_sessions import session_record
from tests.support.eventually import eventually_sync


class TrainingVictim:
    """The process, from the outside.

    Args:
        root: Folder of its sessions.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.training_victim"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def session(self, name: str, spec: TrainingSpec, *, after: SessionFolder | None = None) -> SessionFolder:
        """Make the folder of a session, as a host does; it goes on from the checkpoints of another one, if told so."""
        packed = any_pb2.Any()
        packed.Pack(spec)
        record = session_record(id=name, spec_type_url=packed.type_url, spec=packed.value)
        furnish: Furnish = unfurnished
        if after is not None:
            strategy = load_strategy(spec.strategy, dict(spec.overrides))

            def furnish(folder: SessionFolder) -> None:
                take_over(after.checkpoints, folder.checkpoints, session_id=after.id, strategy=strategy)

        return create_session_folder(self._root, record, spec, furnish)

    def run(
        self,
        session: SessionFolder,
        *,
        until: Callable[[], object] | None = None,
        send: signal.Signals = signal.SIGKILL,
    ) -> int:
        """Train a session.

        Args:
            session: Its folder.
            until: Looked at again and again; once it is true a signal is sent. None lets the worker end by itself.
            send: The signal.

        Returns:
            How it ended, as of `os.waitstatus_to_exitcode`: the negative number of a signal, or the exit code.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{session.path}\n")
        self._process.stdin.flush()
        pid = int(self._process.stdout.readline())
        if until is not None:
            eventually_sync(
                lambda: until() or session.result_record.exists(), timeout_seconds=150, interval_seconds=0.001
            )
            os.kill(pid, send)
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        with self._process:
            pass


def main() -> None:
    """Train the sessions that standard input names."""
    import torch

    from services.training_host import session_training, worker  # noqa: F401 - loaded before the children begin

    torch.optim.Adam([torch.zeros(1)])
    while line := sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = worker.main(["--session", line.strip(), "--ib-host", "127.0.0.1:1"])
            finally:
                os._exit(code)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        # Until the next line has come the child is not waited for: its number is nobody else's when it is killed.
        sys.stdin.readline()
        ended = os.waitpid(pid, 0)[1]
        sys.stdout.write(f"{os.waitstatus_to_exitcode(ended)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
