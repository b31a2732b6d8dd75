"""Let a process that runs print somewhere else. Standard library only: the keeper imports it."""

import contextlib
import os
import sys

_OUTPUTS = (1, 2)


def print_to(path: str) -> None:
    """Append what this process prints from now on to a file. Where that cannot be opened, nothing changes."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.flush()
    with contextlib.suppress(OSError):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        for output in _OUTPUTS:
            os.dup2(file, output)
        os.close(file)
