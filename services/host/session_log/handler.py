"""Write a session's log, within its bound."""

import contextlib
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

from services.host.session_log.entries import entry_formatter, rotation_line

DEFAULT_LOG_BYTES: Final = 8 * 1024 * 1024
"""Size at which a log file is rotated. One older file is kept beside it."""


class SessionLogHandler(RotatingFileHandler):
    """Appends entries to a session's log. The work goes on undisturbed when that is not possible.

    Args:
        path: The log; the file before it has ".1" behind its name.
        max_bytes: Size at which it is rotated.
        left_out: Fields that say nothing within this log.

    Attributes:
        failed: The last entry could not be written.
    """

    def __init__(self, path: Path, max_bytes: int, *, left_out: frozenset[str] = frozenset()) -> None:
        super().__init__(
            path, maxBytes=max_bytes, backupCount=1, encoding="utf-8", errors="backslashreplace", delay=True
        )
        self.setFormatter(entry_formatter(left_out))
        self.failed = False
        self._process = os.getpid()
        self._ended = False
        self._formatted: tuple[logging.LogRecord, str] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Append an entry; none comes into a log that was closed."""
        if self._ended:
            return
        self.failed = False
        super().emit(record)
        self._formatted = None

    def format(self, record: logging.LogRecord) -> str:
        """Return the entry's line. The base class asks twice: to see whether it fits, and to write it."""
        if self._formatted is None or self._formatted[0] is not record:
            self._formatted = (record, super().format(record))
        return self._formatted[1]

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, ARG002 - the standard library's signature
        """Let the entry go: a full disk is no reason to end the work."""
        self.failed = True

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 - the standard library's name
        """Tell whether the file is full. A forked child leaves the rotation to the process that opened the log."""
        return os.getpid() == self._process and bool(super().shouldRollover(record))

    def doRollover(self) -> None:  # noqa: N802 - the standard library's name
        """Begin a new file, whose first line says that others came before it."""
        super().doRollover()
        if self.stream is None:
            self.stream = self._open()
        self.stream.write(rotation_line(datetime.now(UTC)))

    def close(self) -> None:
        """Close the file. What a full disk has kept from being written is lost."""
        self._ended = True
        with contextlib.suppress(OSError):
            super().close()

    def _open(self) -> TextIOWrapper:
        stream = super()._open()
        if _ends_within_a_line(Path(self.baseFilename)):
            # An earlier life was cut off there. Its half line must not make the first new one unreadable.
            stream.write("\n")
        return stream


@contextlib.contextmanager
def handling(logger: logging.Logger, handler: logging.Handler) -> Iterator[None]:
    """Have a logger use a handler while the block runs, and close the handler."""
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


def _ends_within_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
