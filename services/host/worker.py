"""What a worker process does its work in."""

import os
import signal
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

import structlog
from google.protobuf.message import Message
from ktrdr_bridge import AliveLock, Bridge, Cancelled, hold_alive_lock, request_stop

from services.common.errors import ServiceError, reason_name
from services.host.folder import SessionFolder
from services.host.outcome import write_cancelled, write_completed, write_failed
from services.host.session_log.handler import DEFAULT_LOG_BYTES
from services.host.session_log.worker_log import WorkerLog


class SessionSettledError(Exception):
    """The host has settled the session already: its worker came too late."""


class WorkerSession:
    """A session from inside its worker process, as a context manager around the work.

    The work ends in one of these ways, all of which the host understands:

    - `complete(result)` was called: COMPLETED, whatever comes after it;
    - a `ServiceError` is raised: FAILED with its reason;
    - `ktrdr_bridge.Cancelled` is raised (by `bridge.raise_if_cancelled()`, or by SIGTERM): CANCELLED;
    - any other exception: it leaves the `with` block, is written to the session's log, and the process exits with 1:
      FAILED with WORKER_EXITED and the end of the log.

    From entering it to the end of the process, what is logged and printed goes to the session's log.

    Attributes:
        folder: The session's folder.
        spec_json: What was asked, as protobuf JSON.
        bridge: Where progress and metrics are written.
        artifacts: Folder for what the work produces.
    """

    def __init__(self, files: SessionFolder, *, log_bytes: int = DEFAULT_LOG_BYTES) -> None:
        self._files = files
        self._log = WorkerLog(files, log_bytes)
        self._logger = structlog.stdlib.get_logger(__name__)
        self.folder = files.path
        self.artifacts = files.artifacts
        self.spec_json = files.spec.read_text(encoding="utf-8")
        self._partial: Message | None = None
        self._lock: AliveLock | None = None
        self._bridge: Bridge | None = None

    @classmethod
    def open(cls, folder: Path, *, log_bytes: int = DEFAULT_LOG_BYTES) -> Self:
        """Open the session in `folder`.

        Args:
            folder: The session's folder.
            log_bytes: Size at which its log is rotated.

        Raises:
            SessionSettledError: The host has given the session up.
            OSError: The folder cannot be read.
        """
        files = SessionFolder(folder)
        if files.settled_record.exists():
            message = f"session {files.id} was settled before its worker began"
            raise SessionSettledError(message)
        return cls(files, log_bytes=log_bytes)

    @property
    def bridge(self) -> Bridge:
        """The journal's writer, while the session is entered."""
        if self._bridge is None:
            message = "a WorkerSession has a bridge inside its `with` block only"
            raise RuntimeError(message)
        return self._bridge

    def partial_result(self, result: Message) -> None:
        """Keep what has been produced so far, for the case that the work is cancelled or fails."""
        self._partial = result

    def complete(self, result: Message) -> None:
        """Record the result, durably. The last thing to do.

        Raises:
            OSError: It cannot be written.
        """
        # The work is done: to interrupt it now would only lose its result.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        write_completed(self._files, result)

    def __enter__(self) -> Self:
        self._log.install()
        self._lock = hold_alive_lock(self._files.alive_lock)
        self._bridge = Bridge.create(self._files.journal, control=self._files.control)
        signal.signal(signal.SIGTERM, self._on_terminate)
        self._logger.info("worker_started", pid=os.getpid())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        # From here on the end is written down; an interruption would only damage it.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.bridge.close()
        if isinstance(error, Cancelled):
            self._logger.info("work_cancelled")
            write_cancelled(self._files, self._partial)
        elif isinstance(error, ServiceError):
            self._logger.error("work_failed", reason=reason_name(error.reason), message=str(error))
            write_failed(self._files, error, self._partial)
        # The lock is left to the kernel: it says that the process lives, and the process does until it has ended.
        return isinstance(error, Cancelled | ServiceError)

    def _on_terminate(self, _number: int, _frame: FrameType | None) -> None:
        """Interrupt work that was asked to stop and did not; work that was not asked yet is asked now."""
        if self.bridge.cancelled:
            raise Cancelled("interrupted")
        request_stop(self._files.control, reason="the worker was told to terminate (SIGTERM)")
