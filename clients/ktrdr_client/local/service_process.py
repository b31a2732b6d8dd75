"""One service as a child process: started, found ready, watched, stopped."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_LOOK_SECONDS: Final = 0.02
_LARGEST_LOG_BYTES: Final = 8 * 2**20
_TAIL_LINES: Final = 12


class ServiceDied(Exception):
    """A service ended although nobody stopped it.

    Attributes:
        name: Which one.
        tail: The last lines that it printed.
        log: Its log file.
    """

    def __init__(self, name: str, message: str, *, tail: str, log: Path) -> None:
        super().__init__(message)
        self.name = name
        self.tail = tail
        self.log = log


class ServiceNotStarted(ServiceDied):
    """A service could not be started."""


class PortTaken(ServiceNotStarted):
    """Another program listens on a port that is needed."""


class ServiceProcess:
    """A service in a process of its own.

    It has its own process group: Ctrl-C reaches its parent only, which stops all services in order. And it holds the
    reading end of a pipe whose other end is the parent's alone: it stops when the parent is gone, however that went.

    Args:
        name: Name behind `ktrdr serve`.
        arguments: The words that follow it.
        log: File that its output is added to.
        ready: File that the service writes once it serves.
        lifeline: Reading end of the pipe.
    """

    def __init__(self, name: str, arguments: Sequence[str], *, log: Path, ready: Path, lifeline: int) -> None:
        self.name = name
        self.log = log
        self._ready = ready
        self._arguments = [*arguments, "--ready-file", str(ready), "--lifeline-fd", str(lifeline)]
        self._lifeline = lifeline
        self._process: asyncio.subprocess.Process | None = None
        self._log_start = 0

    @property
    def pid(self) -> int:
        """Process id; 0 before it is started."""
        return self._process.pid if self._process is not None else 0

    async def start(self) -> None:
        """Start the process; it is not ready yet."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LARGEST_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "ktrdr_client", "serve", self.name, *self._arguments,
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
                pass_fds=[self._lifeline], start_new_session=True,
            )  # fmt: skip

    async def address(self, timeout_seconds: float) -> str:
        """Wait until the service is ready, and return its address.

        Raises:
            ServiceNotStarted: It ended, or took too long.
        """
        process = self._started()
        try:
            async with asyncio.timeout(timeout_seconds):
                while (record := self._ready_record()) is None:
                    if process.returncode is not None:
                        raise self._not_started(f"{self.name} could not be started")
                    await asyncio.sleep(_LOOK_SECONDS)
        except TimeoutError:
            raise self._not_started(f"{self.name} was not ready within {timeout_seconds:g} s") from None
        return record["address"]

    async def death(self) -> ServiceDied:
        """Wait until the process ends by itself, and return how."""
        code = await self._started().wait()
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return ServiceDied(self.name, f"{self.name} (pid {self.pid}) {how}", tail=self.tail(), log=self.log)

    async def stop(self, grace_seconds: float) -> bool:
        """End the process: asked first, by force after its grace.

        Returns:
            Whether it ended in good order.
        """
        process = self._process
        if process is None:
            return True
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(grace_seconds):
                return await process.wait() == 0
        except TimeoutError:
            await self.kill()
            return False

    async def kill(self) -> None:
        """End the process at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def tail(self) -> str:
        """Return the last lines that this run of the service has printed."""
        try:
            with self.log.open("rb") as output:
                output.seek(0, os.SEEK_END)
                output.seek(max(self._log_start, output.tell() - 16_384))
                text = output.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.rstrip().splitlines()[-_TAIL_LINES:])

    def _ready_record(self) -> dict[str, str] | None:
        """Return what the service has written once it serves; None before that, and after it has stopped again."""
        try:
            record: dict[str, str] = json.loads(self._ready.read_text())
        except FileNotFoundError:
            return None
        return record

    def _started(self) -> asyncio.subprocess.Process:
        if self._process is None:
            message = f"{self.name} has not been started"
            raise RuntimeError(message)
        return self._process

    def _not_started(self, message: str) -> ServiceNotStarted:
        tail = self.tail()
        last = tail.splitlines()[-1] if tail else ""
        if last.startswith(f"{self.name}: "):
            # Its own one line that says why: nothing else of the log is needed.
            message, tail = f"{message}: {last.removeprefix(f'{self.name}: ')}", ""
        return ServiceNotStarted(self.name, message, tail=tail, log=self.log)
