"""Take what a session's task logs into the session's log, beside the host's own log."""

import contextlib
import logging
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Final

import structlog

from services.host.folder import SessionFolder
from services.host.session_log.handler import DEFAULT_LOG_BYTES, SessionLogHandler

_KNOWN: Final = frozenset({"session_id", "service", "name"})
"""What is in each line of the host's log, and the same in all lines of one session."""


class TaskLogs:
    """The logs of sessions that are tasks of this process.

    What is logged while a session's block runs, in its task and in what that starts (tasks and threads of asyncio),
    goes to the session's log as well as to the handlers that are there. What outlives the block logs to those alone.
    The least level is that of the host's log.

    Args:
        max_bytes: Size at which a log is rotated.
    """

    def __init__(self, max_bytes: int = DEFAULT_LOG_BYTES) -> None:
        self._max_bytes = max_bytes
        self._current: ContextVar[logging.Handler | None] = ContextVar("session_log", default=None)
        self._router = _Router(self._current)
        self._open = 0

    @contextlib.contextmanager
    def of(self, session: SessionFolder) -> Iterator[None]:
        """Take what is logged into this session's log, while the block runs.

        The fields that whoever started the session has bound do not belong to it; its id is bound instead.
        """
        handler = SessionLogHandler(session.structured_log, self._max_bytes, left_out=_KNOWN)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(session_id=session.id)
        token = self._current.set(handler)
        root = logging.getLogger()
        if not self._open:
            root.addHandler(self._router)
        self._open += 1
        try:
            yield
        finally:
            self._current.reset(token)
            self._open -= 1
            if not self._open:
                root.removeHandler(self._router)
            handler.close()


class _Router(logging.Handler):
    """Hands each record to the log of the session in whose context it was made.

    Args:
        current: That log's handler.
    """

    def __init__(self, current: ContextVar[logging.Handler | None]) -> None:
        super().__init__()
        self._current = current

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a record on."""
        handler = self._current.get()
        if handler is not None:
            handler.handle(record)
