"""Write down how a session ended: the last thing that happens to it."""

import contextlib
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ktrdr_bridge.alive import AliveLock
from ktrdr_bridge.errors import Cancelled
from ktrdr_bridge.reserve import reserve_space

Outcome = Literal["completed", "cancelled", "failed"]

_RESERVED_BYTES = 4_096
_EXCEPTION_CHARACTERS = 200


class SessionEnd:
    """The end of one session, written by the process that opened it, and never by its forked children.

    Room for it is reserved at the beginning: how a session ended is known even where the disk is full by then.

    Args:
        folder: The session's folder.
        lock: Proof that the session is open; let go of once the end is written.

    Attributes:
        stop_seen: The loop was told that it was asked to stop.
        unclosed: What the session has failed with if nobody closes it; empty where it is complete then.

    Raises:
        OSError: The room can't be reserved.
    """

    def __init__(self, folder: Path, lock: AliveLock) -> None:
        self.folder = folder
        self.stop_seen = False
        self.unclosed = ""
        self._lock = lock
        self._owner = os.getpid()
        self._written = False
        # Shells and notebooks keep the last error, whatever it belonged to: what is there already isn't ours.
        self._earlier_error = id(_last_error())
        descriptor = os.open(self._reserved, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            reserve_space(descriptor, 0, _RESERVED_BYTES)
        finally:
            os.close(descriptor)

    @property
    def is_over(self) -> bool:
        """Whether the end was written, or is not this process's to write."""
        return self._written or self._owner != os.getpid()

    def of_block(self, error: BaseException | None) -> tuple[Outcome, str]:
        """Return the outcome of a block that was left normally (None) or with an error, and the error's text."""
        if isinstance(error, Cancelled | KeyboardInterrupt):
            return "cancelled", ""
        if error is None or isinstance(error, GeneratorExit) or (isinstance(error, SystemExit) and not error.code):
            return ("cancelled" if self.stop_seen else "completed"), ""
        return "failed", exception_text(error)

    def of_process(self) -> tuple[Outcome, str]:
        """Return the outcome of a session that nobody closed before its process ended, or the bridge was dropped."""
        error = None if hasattr(sys, "ps1") else _last_error()  # in a shell or notebook an error ends one cell alone
        if error is None or id(error) == self._earlier_error:
            return ("failed", self.unclosed) if self.unclosed else self.of_block(None)
        return self.of_block(error)

    def abandon(self) -> None:
        """Let go of a session that never was; there is no end to write."""
        self._written = True
        self._lock.release()

    def write(self, outcome: Outcome, exception: str = "") -> None:
        """Record the end and let go of the session; idempotent. Where it can't be written, the process's end tells."""
        if self.is_over:
            return
        self._written = True
        content: dict[str, object] = {"outcome": outcome, "ended_at": datetime.now(UTC).isoformat()}
        if outcome == "failed":
            content["error"] = {"reason": "ATTACHED_WORK_FAILED", "parameters": {"exception": exception}}
        with contextlib.suppress(OSError):
            self._store(json.dumps(content).encode())
        with contextlib.suppress(OSError):
            self._lock.release()
        with contextlib.suppress(OSError):
            os.utime(self.folder.parent)  # what a host looks at to notice that there is news

    def _store(self, content: bytes) -> None:
        descriptor = os.open(self._reserved, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.pwrite(descriptor, content, 0)
            os.ftruncate(descriptor, len(content))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._reserved.rename(self.folder / "result.json")

    @property
    def _reserved(self) -> Path:
        return self.folder / "result.reserved"


def exception_text(error: BaseException) -> str:
    """Return type and message in one short line: "ValueError: no bars for AAPL"."""
    name = type(error).__qualname__
    try:
        message = " ".join(str(error).split())
    except Exception:  # the text is the user's own code, and the end must be written whatever it does
        message = ""
    text = f"{name}: {message}" if message else name
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= _EXCEPTION_CHARACTERS else text[: _EXCEPTION_CHARACTERS - 1] + "…"


def _last_error() -> BaseException | None:
    """Return the exception that the interpreter has printed last, as one that ended a script."""
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    return error if isinstance(error, BaseException) else None
