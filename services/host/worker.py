"""What a worker process does its work in."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from traceback import clear_frames
from types import CodeType, FrameType, TracebackType
from typing import Final, Self

import structlog
from google.protobuf.message import Message
from ktrdr.host.v1.session_pb2 import DatasetUse
from ktrdr_bridge import AliveLock, Bridge, Cancelled, hold_alive_lock, request_stop

from services.common.errors import ServiceError, reason_name
from services.host.end_reason import CANNOT_WRITE
from services.host.exhaustion import exhaustion
from services.host.folder import SessionFolder
from services.host.outcome import reserve_outcome, write_cancelled, write_completed, write_failed
from services.host.session_inputs import write_inputs
from services.host.session_log.handler import DEFAULT_LOG_BYTES
from services.host.session_log.worker_log import WorkerLog

DEFAULT_JOURNAL_BYTES: Final = 64 * 1024**2
"""Bound of a journal, unless its host says otherwise."""


class SessionSettledError(Exception):
    """The host has settled the session already: its worker came too late."""


class Interrupted(Cancelled):
    """The work is interrupted wherever it is, as it was asked to stop and has not: what it was at may be half done."""


class WorkerSession:
    """A session from inside its worker process, as a context manager around the work.

    The work ends in one of these ways, all of which the host understands:

    - `complete(result)` was called: COMPLETED, whatever comes after it;
    - a `ServiceError` is raised: FAILED with its reason;
    - `ktrdr_bridge.Cancelled` is raised, by `bridge.raise_if_cancelled()`, or, as `Interrupted`, by a second SIGTERM:
      CANCELLED;
    - memory or disk runs out: FAILED with WORKER_OUT_OF_MEMORY or STORAGE_FULL;
    - any other exception: it leaves the `with` block, is written to the session's log, and the process exits with 1:
      FAILED with WORKER_EXITED and the end of the log.

    From entering it to the end of the process, what is logged and printed goes to the session's log.

    Attributes:
        folder: The session's folder.
        spec_json: What was asked, as protobuf JSON.
        bridge: Where progress and metrics are written.
        artifacts: Folder for what the work produces.
    """

    def __init__(
        self, files: SessionFolder, *, log_bytes: int = DEFAULT_LOG_BYTES, journal_bytes: int = DEFAULT_JOURNAL_BYTES
    ) -> None:
        self._files = files
        self._journal_bytes = journal_bytes
        self._log = WorkerLog(files, log_bytes)
        self._logger = structlog.stdlib.get_logger(__name__)
        self.folder = files.path
        self.artifacts = files.artifacts
        self.spec_json = files.spec.read_text(encoding="utf-8")
        self._partial: Message | None = None
        self._lock: AliveLock | None = None
        self._bridge: Bridge | None = None

    @classmethod
    def open(
        cls, folder: Path, *, log_bytes: int = DEFAULT_LOG_BYTES, journal_bytes: int = DEFAULT_JOURNAL_BYTES
    ) -> Self:
        """Open the session in `folder`.

        Args:
            folder: The session's folder.
            log_bytes: Size at which its log is rotated.
            journal_bytes: Bound of its journal.

        Raises:
            SessionSettledError: The host has given the session up.
            OSError: The folder cannot be read.
        """
        files = SessionFolder(folder)
        if files.settled_record.exists():
            message = f"session {files.id} was settled before its worker began"
            raise SessionSettledError(message)
        return cls(files, log_bytes=log_bytes, journal_bytes=journal_bytes)

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

    def record_inputs(self, inputs: Sequence[DatasetUse]) -> None:
        """Record the datasets that the work reads, all that are known; they are told with the next phase.

        Raises:
            OSError: They cannot be written.
        """
        write_inputs(self._files, inputs)

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
        reserve_outcome(self._files)
        self._bridge = Bridge.create(self._files.journal, control=self._files.control, limit_bytes=self._journal_bytes)
        signal.signal(signal.SIGTERM, self._on_terminate)
        self._logger.info("worker_started", pid=os.getpid())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        # From here on the end is written down; an interruption would only damage it.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.bridge.close()
        # What the frames of an exception hold is most of the memory, or the files, that may be needed now.
        clear_frames(traceback)
        refusal = error if isinstance(error, ServiceError) else exhaustion(error, self.folder)
        try:
            if isinstance(error, Cancelled):
                self._logger.info("work_cancelled")
                write_cancelled(self._files, self._partial)
            elif refusal is not None:
                unexpected = None if refusal is error else error
                self._logger.error(
                    "work_failed", reason=reason_name(refusal.reason), message=str(refusal), exc_info=unexpected
                )
                write_failed(self._files, refusal, self._partial)
        except OSError as failure:
            self._logger.error("outcome_not_written", error=str(failure))  # noqa: TRY400 - it is no fault of the code
            raise SystemExit(CANNOT_WRITE) from failure
        # The lock is left to the kernel: it says that the process lives, and the process does until it has ended.
        return isinstance(error, Cancelled) or refusal is not None

    def _on_terminate(self, _number: int, frame: FrameType | None) -> None:
        """Interrupt work that was asked to stop and did not; work that was not asked yet is asked now."""
        if not self.bridge.cancelled:
            request_stop(self._files.control, reason="the worker was told to terminate (SIGTERM)")
        elif _is_within(frame, WorkerSession.__enter__.__code__):
            # The work has not begun, so nobody would take the exception for a stop: the process ends by the signal, as
            # it would have a moment ago.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.raise_signal(signal.SIGTERM)
        elif not _is_within(frame, WorkerSession.__exit__.__code__):
            raise Interrupted("interrupted")


def _is_within(frame: FrameType | None, code: CodeType) -> bool:
    """Tell whether a frame is that of some code, or was called by it."""
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None
