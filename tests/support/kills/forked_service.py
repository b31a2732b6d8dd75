"""A service that is killed and started again."""

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

from tests.support.free_ports import ReservedPort
from tests.support.kills.template import Template


class ForkedService:
    """A service that is killed and started again, on a port that it keeps.

    Args:
        template: Where it is forked.
        service: "training-host" or "operations".
        home: Its KTRDR_HOME.
        arguments: Further flags.
    """

    def __init__(self, template: Template, service: str, home: Path, arguments: list[str]) -> None:
        self.service = service
        self.arguments = arguments
        self._reserved = ReservedPort()
        self.port = self._reserved.number
        self.pid = 0
        self.log = home / f"{service}.log"
        self._template = template
        self._home = home
        self._ready = home / f"{service}.ready.json"

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self.port}"

    async def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it serves."""
        self._ready.unlink(missing_ok=True)
        flags = ["--home", str(self._home), "--port", str(self.port), "--ready-file", str(self._ready)]
        self.pid = self._template.fork(self.service, [*flags, *self.arguments], self.log)
        deadline = time.monotonic() + 150
        while wait and not self._ready.exists():
            assert self._lives(), f"{self.service} did not start:\n{self.tail()}"
            assert time.monotonic() < deadline, f"{self.service} does not start:\n{self.tail()}"
            await asyncio.sleep(0.005)

    async def kill(self) -> None:
        """End it with SIGKILL, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        deadline = time.monotonic() + 150
        while self._lives():
            assert time.monotonic() < deadline, f"{self.service} did not end"
            await asyncio.sleep(0.002)
        self.pid = 0

    def signal(self, number: int) -> None:
        """Send a signal, if it runs."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _lives(self) -> bool:
        return bool(self.pid) and Path(f"/proc/{self.pid}").exists()

    def tail(self) -> str:
        """Return the end of what it printed."""
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""
