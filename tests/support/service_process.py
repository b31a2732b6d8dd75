"""One KTRDR service as a real process that a test can kill and start again."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.free_ports import ReservedPort


class ServiceProcess:
    """A service started with `ktrdr serve`, on a port of the kernel's choice that it keeps over restarts.

    Args:
        service: Name after `ktrdr serve`.
        home: Its KTRDR_HOME.
        arguments: Further flags.
        variables: Environment on top of the test's own.
    """

    def __init__(
        self, service: str, home: Path, arguments: Sequence[str] = (), variables: dict[str, str] | None = None
    ) -> None:
        self.service = service
        self.home = home
        self.arguments = list(arguments)
        self.port = 0
        self._reserved: ReservedPort | None = None
        self._variables = variables or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._log = home / "logs" / f"{service}.log"
        self._ready = home / f"{service}.ready.json"

    @property
    def address(self) -> str:
        """HOST:PORT, known once the service has been started."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Process id of the running service."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """Everything that the service has printed."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def start(self, *, timeout_seconds: float = 150.0) -> None:
        """Start the service and wait until it serves."""
        self._reserved = self._reserved or ReservedPort()
        self.port = self._reserved.number
        self._ready.unlink(missing_ok=True)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "ktrdr_client", "serve", self.service, "--home", str(self.home)]
        command += ["--port", str(self.port), "--ready-file", str(self._ready), *self.arguments]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **self._variables},
            )
        deadline = time.monotonic() + timeout_seconds
        while not self._ready.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                message = f"{self.service} did not start (exit code {self._process.poll()}):\n{self.log[-4000:]}"
                self.kill()
                raise AssertionError(message)
            time.sleep(0.02)
        assert json.loads(self._ready.read_text())["address"] == self.address

    def kill(self) -> None:
        """End the service with SIGKILL, as a crash would."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            self._process.wait(timeout=60)
            self._process = None

    def stop(self, *, timeout_seconds: float = 150.0) -> int:
        """Ask the service to stop, and return its exit code."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return self._process.wait(timeout=timeout_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            message = f"{self.service} did not stop within {timeout_seconds} s:\n{self.log[-4000:]}"
            raise AssertionError(message) from None
        finally:
            self._process = None
