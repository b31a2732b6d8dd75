"""All services as real processes, wired together as a user would."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.service_process import ServiceProcess


class RunningSystem:
    """Replay gateway, IB host, training host and operations on loopback, each its own process with one home.

    Args:
        home: Folder for everything they store.
        gateway_arguments: Further flags of the replay gateway.
        training_arguments: Further flags of the training host.
    """

    def __init__(
        self, home: Path, *, gateway_arguments: Sequence[str] = (), training_arguments: Sequence[str] = ()
    ) -> None:
        self.home = home
        self.gateway = ServiceProcess("replay-gateway", home, gateway_arguments)
        self.ib_host = ServiceProcess("ib-host", home)
        self.training_host = ServiceProcess("training-host", home, training_arguments)
        self.operations = ServiceProcess("operations", home)

    def __enter__(self) -> Self:
        """Start everything, each when what it needs is there."""
        try:
            self.gateway.start()
            self.ib_host.arguments += ["--gateway", self.gateway.address]
            self.ib_host.start()
            self.training_host.arguments += ["--ib-host", self.ib_host.address]
            self.training_host.start()
            self.operations.arguments += [
                "--host",
                f"training-host={self.training_host.address}",
                "--host",
                f"ib-host={self.ib_host.address}",
            ]
            self.operations.start()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop everything; after a failed test by force, and with the logs in the report."""
        if error is not None:
            for service in self._services:
                error.add_note(f"--- log of {service.service}\n{service.log[-3000:]}")
        try:
            for service in reversed(self._services):
                service.stop()
        finally:
            self._kill()

    @property
    def _services(self) -> tuple[ServiceProcess, ...]:
        return (self.gateway, self.ib_host, self.training_host, self.operations)

    def _kill(self) -> None:
        for service in self._services:
            service.kill()
