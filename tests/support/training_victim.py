"""A process that trains sessions in children, which can be killed: `python -m tests.support.training_victim`.

It loads PyTorch once. For each path of a session's folder that it reads, with a moment, it starts a child that is a
worker of the training host, and writes the child's process id. At its moment the child stands still (SIGSTOP); that is
written, too, and when the child has ended, how it did. Made for tests that kill many workers, each of which would
otherwise load PyTorch anew, at moments that do not depend on anybody's speed.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from google.protobuf import any_pb2
from ktrdr.training.v1.training_pb2 import TrainingSpec

from services.host.creation import Furnish, create_session_folder, unfurnished
from services.host.folder import SessionFolder
from services.training_host.checkpoints.take_over import take_over
from services.training_host.strategy.check import load_strategy
from tests.support.accepted_sessions import session_record

Moment = Literal["start", "written", "writing", "epoch"]
"""Before anything; after so many checkpoints; when so many are written but the last one is not there by its name; after
so many epochs."""
_STOPPED: Final = "stopped"


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
        until: tuple[Moment, int] | None = None,
        send: signal.Signals = signal.SIGKILL,
    ) -> int:
        """Train a session.

        Args:
            session: Its folder.
            until: A moment of this run, and how many of what: then a signal is sent. None lets it end by itself.
            send: The signal.

        Returns:
            How it ended, as of `os.waitstatus_to_exitcode`: the negative number of a signal, or the exit code.
        """
        assert self._process.stdin is not None
        moment, count = until or ("", 0)
        self._process.stdin.write(f"{session.path}\t{moment}\t{count}\n")
        self._process.stdin.flush()
        pid, told = int(self._line()), self._line()
        if told == _STOPPED:
            os.kill(pid, send)
            os.kill(pid, signal.SIGCONT)
            self._process.stdin.write("\n")
            self._process.stdin.flush()
            told = self._line()
        return int(told)

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

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
        path, moment, count = line.rstrip("\n").split("\t")
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                _stop_at(moment, int(count))
                code = worker.main(["--session", path, "--ib-host", "127.0.0.1:1"])
            finally:
                os._exit(code)
        _tell(pid)
        status = os.waitpid(pid, os.WUNTRACED)[1]
        if os.WIFSTOPPED(status):
            _tell(_STOPPED)
            # Until the next line has come the child is not waited for: its number is nobody else's when it is killed.
            sys.stdin.readline()
            status = os.waitpid(pid, 0)[1]
        _tell(os.waitstatus_to_exitcode(status))


def _tell(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def _stop_at(moment: str, count: int) -> None:
    """Let this process stand still at a moment."""
    from ktrdr_bridge import Bridge

    from services.training_host.checkpoints import store as store_module

    store: Any = store_module
    seen = 0

    def stop_if(now: str) -> None:
        if now == moment and seen == count:
            os.kill(os.getpid(), signal.SIGSTOP)

    appearing, write, on_epoch = store.appearing_folder, store.CheckpointStore.write, Bridge.on_epoch

    @contextmanager
    def appearing_slowly(folder: Path) -> Iterator[Path]:
        with appearing(folder) as unfinished:
            yield unfinished
            stop_if("writing")

    def write_and_stop(self: Any, checkpoint: Any) -> Any:
        nonlocal seen
        seen += moment != "epoch"
        written = write(self, checkpoint)
        stop_if("written")
        return written

    def tell_epoch_and_stop(self: Bridge, *args: Any, **details: Any) -> None:
        nonlocal seen
        on_epoch(self, *args, **details)
        seen += moment == "epoch"
        stop_if("epoch")

    store.appearing_folder = appearing_slowly
    store.CheckpointStore.write = write_and_stop
    Bridge.on_epoch = tell_epoch_and_stop  # type: ignore[method-assign]
    stop_if("start")


if __name__ == "__main__":
    main()
