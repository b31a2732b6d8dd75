"""Where a journal is, and its next generation beside it."""

import fcntl
import os
from pathlib import Path


class Place:
    """A journal's folder and name. The folder is kept open: it may be renamed, and the process may change its own.

    Args:
        path: The journal.

    Raises:
        OSError: The folder can't be opened.
    """

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._next_name = f"{path.name}.next"
        self._folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def make_next(self) -> int:
        """Make an empty file for the next generation, locked, so that it is never a journal without a lock.

        Raises:
            OSError: It can't be made.
        """
        self.discard_next()
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(self._next_name, flags, 0o644, dir_fd=self._folder)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor

    def promote_next(self) -> None:
        """Put the next generation in the journal's place, in one step; whoever has the old file open keeps it.

        Raises:
            OSError: It can't be done; nothing has changed.
        """
        os.replace(self._next_name, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)

    def discard_next(self) -> None:
        """Remove the next generation, or what a killed writer left of it."""
        try:
            os.unlink(self._next_name, dir_fd=self._folder)
        except FileNotFoundError:
            return

    def close(self) -> None:
        """Close the folder."""
        os.close(self._folder)
