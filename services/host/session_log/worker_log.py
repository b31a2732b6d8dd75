"""Take everything that a worker process logs and prints into its session's log."""

import atexit
import contextlib
import faulthandler
import logging
import sys
import threading
from types import TracebackType
from typing import Final, TextIO

import structlog

from services.host.folder import SessionFolder
from services.host.session_log.entries import printed_record
from services.host.session_log.handler import DEFAULT_LOG_BYTES, SessionLogHandler
from services.host.session_log.printed import PrintedLines

_IN_DETAIL: Final = ("services", "ktrdr_bridge")
"""Loggers whose debug events are kept. Those of libraries would bury them."""


class WorkerLog:
    """The log of a worker's session.

    Once installed, structlog, the standard library's logging, warnings, and what Python code prints become entries of
    the log, to the end of the process; an exception that nobody catches is one, too. File descriptors 1 and 2 stay what
    they are, the file that the keeper has opened: native code prints there, and so does the interpreter where it can do
    nothing else (a fatal signal's traceback, for one).

    Args:
        files: The session.
        max_bytes: Size at which its log is rotated.
    """

    def __init__(self, files: SessionFolder, max_bytes: int = DEFAULT_LOG_BYTES) -> None:
        self._handler = SessionLogHandler(files.structured_log, max_bytes)
        self._logger = structlog.stdlib.get_logger("services.host.worker")
        self._restore = contextlib.ExitStack()

    def install(self) -> None:
        """Take over what is logged and printed."""
        if sys.__stderr__ is not None:
            faulthandler.enable(file=sys.__stderr__)
        self._take_logging()
        for name in ("stdout", "stderr"):
            self._take_stream(name)
        self._take_hooks()
        atexit.register(self.remove)

    def remove(self) -> None:
        """Give everything back, as it happens by itself when the process ends. Twice is harmless."""
        atexit.unregister(self.remove)
        self._restore.close()

    def _take_logging(self) -> None:
        root = logging.getLogger()
        self._restore.callback(root.setLevel, root.level)
        self._restore.callback(setattr, root, "handlers", root.handlers)
        self._restore.callback(self._handler.close)
        root.handlers = [self._handler]
        root.setLevel(logging.INFO)
        for name in _IN_DETAIL:
            logger = logging.getLogger(name)
            self._restore.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.DEBUG)
        logging.captureWarnings(True)
        self._restore.callback(logging.captureWarnings, False)
        self._restore.callback(structlog.reset_defaults)
        structlog.configure(
            processors=[
                structlog.stdlib.filter_by_level,
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_log_level,
                structlog.stdlib.PositionalArgumentsFormatter(),
                structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
            ],
            logger_factory=structlog.stdlib.LoggerFactory(),
            wrapper_class=structlog.stdlib.BoundLogger,
        )

    def _take_stream(self, name: str) -> None:
        original: TextIO | None = getattr(sys, name)
        if original is None:
            return

        def tell(line: str) -> None:
            self._handler.handle(printed_record(name, line))

        lines = PrintedLines(original, tell)
        setattr(sys, name, lines)
        self._restore.callback(setattr, sys, name, original)
        self._restore.callback(lines.end_line)

    def _take_hooks(self) -> None:
        self._restore.callback(setattr, sys, "excepthook", sys.excepthook)
        sys.excepthook = self._uncaught
        self._restore.callback(setattr, threading, "excepthook", threading.excepthook)
        threading.excepthook = self._uncaught_in_thread

    def _uncaught(self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        self._logger.critical("exception_not_caught", exc_info=(kind, error, traceback))
        if self._handler.failed:
            self.remove()
            sys.__excepthook__(kind, error, traceback)

    def _uncaught_in_thread(self, hook: threading.ExceptHookArgs) -> None:
        if hook.exc_value is not None and hook.exc_type is not SystemExit:
            name = hook.thread.name if hook.thread is not None else ""
            trace = (hook.exc_type, hook.exc_value, hook.exc_traceback)
            self._logger.error("exception_not_caught", thread=name, exc_info=trace)
