"""Take what Python code prints into the session's log, line by line."""

import io
import threading
from collections.abc import Callable
from typing import Any, Final, TextIO

_LONGEST_LINE: Final = 16 * 1024


class PrintedLines(io.TextIOBase):
    """A text stream in place of sys.stdout or sys.stderr whose lines become entries of the log.

    Each thread has a line of its own, so that two that print at once do not mix. A line that is drawn again and again
    (with a carriage return, as progress bars do) counts as it was drawn last.

    What is written below it, to `buffer` or the file descriptor, goes where it went before.

    Args:
        original: The stream that it takes the place of.
        tell: Called with each line.
    """

    def __init__(self, original: TextIO, tell: Callable[[str], None]) -> None:
        self._original = original
        self._tell = tell
        self._thread = _Unfinished()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read-only, as that of every text stream really is
        """Encoding of the stream below."""
        return self._original.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]  # as above
        """How the stream below treats characters that it cannot write."""
        return self._original.errors

    @property
    def buffer(self) -> io.BufferedIOBase:
        """The bytes' stream below."""
        return self._original.buffer  # type: ignore[return-value]  # BinaryIO is its type for callers

    def __getattr__(self, name: str) -> Any:
        """Return what else the stream below has: `name`, `mode`, `reconfigure`."""
        return getattr(self._original, name)

    def fileno(self) -> int:
        """Return the descriptor of the stream below, for child processes."""
        return self._original.fileno()

    def isatty(self) -> bool:
        """Tell that nobody sees it."""
        return False

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def write(self, text: str) -> int:
        """Tell each line that is complete now."""
        if self._thread.telling:
            # Something printed while its line was being logged. Below it has a place; here it would go round for ever.
            return self._original.write(text)
        *lines, rest = (self._thread.text + text).split("\n")
        self._thread.text = rest
        for line in lines:
            self._say(line)
        if len(rest) > _LONGEST_LINE:
            self._thread.text = rest.rpartition("\r")[2]
            if len(self._thread.text) > _LONGEST_LINE:
                self.end_line()
        return len(text)

    def flush(self) -> None:
        """Do nothing: complete lines are written at once, and an incomplete one waits for its rest."""

    def end_line(self) -> None:
        """Tell the line that this thread has begun, as it is."""
        rest, self._thread.text = self._thread.text, ""
        if rest:
            self._say(rest)

    def _say(self, line: str) -> None:
        self._thread.telling = True
        try:
            self._tell(line.rstrip("\r").rpartition("\r")[2])
        finally:
            self._thread.telling = False


class _Unfinished(threading.local):
    """The line that a thread is printing, and whether one of its lines is being told."""

    text = ""
    telling = False
