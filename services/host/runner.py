"""What a host needs from whatever executes its sessions."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

import ktrdr_bridge

from services.host.allotment import Allotment
from services.host.folder import SessionFolder
from services.host.stop_cause import HOST_STOP


class Liveness(Enum):
    """What can be proved about a session's worker."""

    ALIVE = "alive"
    """It works, or is being started."""
    STALE = "stale"
    """Nothing proves that it lives, and nothing proves that it ended."""
    ENDED = "ended"
    """It is gone for good: nothing writes to the session's folder any more."""


@dataclass(frozen=True)
class WorkerView:
    """A worker as the host sees it.

    Attributes:
        liveness: What can be proved.
        pid: Its process, 0 where it has none of its own.
    """

    liveness: Liveness
    pid: int = 0


@dataclass(frozen=True)
class StopWish:
    """What a worker is asked to do.

    Attributes:
        reason: Why, for people.
        now: It is not waited for: it is interrupted at once.
        cause: What made the host ask (`stop_cause`); empty where somebody asked for it.
    """

    reason: str
    now: bool = False
    cause: str = ""

    def write(self, control: Path) -> None:
        """Write the wish into a control file, durably. A host that stops wants the work kept for a later resume.

        Raises:
            OSError: It cannot be written.
        """
        stop = "checkpoint" if self.cause == HOST_STOP else "cancel"
        ktrdr_bridge.request_stop(control, reason=self.reason, stop=stop, now=self.now, cause=self.cause)


class SessionRunner(Protocol):
    """Executes the sessions of one kind. All of it is called on the host's event loop."""

    kind: str
    """Kind of work, such as "training"."""

    async def start(self, session: SessionFolder, allotment: Allotment) -> None:
        """Begin to work on a session; returns once the process is spawned, or the task created.

        Args:
            session: The session.
            allotment: What it gets to work with.

        Raises:
            OSError: It could not be started, and nothing of it is left.
        """
        ...

    async def adopt(self, session: SessionFolder, allotment: Allotment) -> None:
        """Take over a session of an earlier life of the host: leave what lives, begin again what can go on."""
        ...

    def watch(self, session: SessionFolder) -> AsyncIterator[WorkerView]:
        """Tell how the worker stands, again after each change, until it has ended (that view is the last one)."""
        ...

    async def request_stop(self, session: SessionFolder, wish: StopWish) -> None:
        """Ask the worker to stop by itself. Durable: a restart of host or worker does not forget it.

        Raises:
            OSError: The request cannot be written.
        """
        ...

    async def terminate(self, session: SessionFolder) -> bool:
        """Interrupt a worker that did not stop by itself.

        Returns:
            Whether there was anything to interrupt.
        """
        ...

    async def kill(self, session: SessionFolder) -> bool:
        """End the worker whatever it does.

        Returns:
            Whether there was anything to end.
        """
        ...

    async def shutdown(self) -> None:
        """Let go of everything when the host stops. What can outlive the host is left alone."""
        ...
