"""One worker that waits for a session, as its host holds it."""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final, Self

import structlog

from services.host.folder import SessionFolder
from services.host.process_spawn import WORKER_VARIABLES, reap
from services.host.spare.handover import READY, TAKEN, Handover

_KEEPER: Final = Path(__file__).with_name("spare_keeper.py")
_HANDOVER_SECONDS: Final = 5.0
"""Longest wait for a keeper that takes a session; it takes a millisecond."""
_END_SECONDS: Final = 5.0
_LOG_BYTES: Final = 2_000


class SpareWorker:
    """A worker under a keeper of its own that has no session yet. `start` makes one.

    Both end by themselves when this process does, or closes its socket. A worker that has been handed over is none of
    this object's business any more.

    Args:
        keeper: The keeper's process.
        connection: The socket to it.
        printed: Where both print until there is a session.
    """

    def __init__(self, keeper: "subprocess.Popen[bytes]", connection: socket.socket, printed: BinaryIO) -> None:
        self.pid = keeper.pid
        self._keeper = keeper
        self._connection = connection
        self._printed = printed
        self._reaper = reap(keeper)

    @classmethod
    def start(cls, folder: Path, command: Sequence[str], environment: Mapping[str, str]) -> Self:
        """Start one. Blocks for the milliseconds that a fork takes: call it in a thread.

        Args:
            folder: The host's folder.
            command: The worker's command line. The number of its socket to the keeper is added to it.
            environment: Its environment.

        Raises:
            OSError: It cannot be started.
        """
        # A file without a name: it is gone with the last process that has it open.
        printed = tempfile.TemporaryFile(dir=folder, prefix=".spare-")  # noqa: SIM115 - closed with the spare
        connection, others = socket.socketpair()
        try:
            with others:
                keeper = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(_KEEPER), str(folder), str(others.fileno()), *command],
                    stdin=subprocess.DEVNULL,
                    stdout=printed,
                    stderr=printed,
                    pass_fds=(others.fileno(),),
                    start_new_session=True,
                    env={**environment, **WORKER_VARIABLES},
                )
        except BaseException:
            connection.close()
            printed.close()
            raise
        connection.setblocking(False)
        return cls(keeper, connection, printed)

    async def ready(self) -> bool:
        """Wait until the worker has loaded everything; False where it has ended instead."""
        return await self._next() == READY

    async def ended(self) -> None:
        """Wait until worker or keeper have ended. Cancel this before the spare is handed over."""
        while await self._next():
            pass

    async def _next(self) -> bytes:
        try:
            return await asyncio.get_running_loop().sock_recv(self._connection, 1)
        except OSError:
            return b""

    def hand_over(
        self, session: SessionFolder, lock: int, command: Sequence[str], environment: Mapping[str, str]
    ) -> bool:
        """Make this the worker of a session. Blocks: call it in a thread.

        Args:
            session: The session. No worker has ever been started for it.
            lock: The locked descriptor of its `keeper.lock`, which the keeper then holds.
            command: The command line that a worker would be started with.
            environment: Variables of its own that such a worker would have.

        Returns:
            Whether it is: then everything about the session is to be read from its folder. Otherwise nobody works on
            it, and nobody will because of this.
        """
        line = Handover(str(session.path), str(session.log), list(command), dict(environment)).to_line()
        cause = "its keeper has ended"
        try:
            self._connection.settimeout(_HANDOVER_SECONDS)
            sent = socket.send_fds(self._connection, [line], [lock])
            if sent < len(line):  # a keeper that has it all may have closed its end by now
                self._connection.sendall(line[sent:])
            if self._connection.recv(1) == TAKEN:
                return True
        except OSError as error:
            cause = str(error)
        # It may still read what was sent. Once it has provably ended, what it wrote down tells how far it came: the
        # worker hears of the session after that.
        self._keeper.kill()
        self._reaper.join()
        taken = session.worker_record.exists()
        logger = structlog.get_logger().bind(session_id=session.id, keeper_pid=self.pid)
        logger.warning("spare_worker_failed", cause=cause, taken=taken, said=self.said())
        return taken

    def end(self) -> None:
        """Let go of it; without a session it ends. Twice is harmless. Does not wait."""
        self._connection.close()
        self._printed.close()

    def wait(self) -> None:
        """Wait for the end of a keeper that was let go of without a session. Blocks: call it in a thread."""
        self._reaper.join(_END_SECONDS)
        if self._reaper.is_alive():
            self._keeper.kill()
            self._reaper.join()

    def said(self) -> str:
        """Return the end of what it has printed, for the log of a host whose spare has ended."""
        size = os.fstat(self._printed.fileno()).st_size
        return os.pread(self._printed.fileno(), _LOG_BYTES, max(0, size - _LOG_BYTES)).decode(errors="replace")
