"""The folder of a model: which files are in it, and their bytes. Everything here blocks: call it in a thread."""

import errno
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe by the name of a file would wait for somebody to write into it.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FileState(NamedTuple):
    """A file as it is at one moment: another content has another state.

    Attributes:
        path: Where it is.
        size_bytes: Its size.
        modified_ns: When it was last written, in Unix nanoseconds.
    """

    path: Path
    size_bytes: int
    modified_ns: int


class FileChangedError(Exception):
    """A file is no longer what it was."""


def is_plain_name(name: str) -> bool:
    """Tell whether a name can only be that of something in a folder itself: not above it, not below it."""
    return bool(name) and name not in {".", ".."} and not {"/", "\0"} & set(name)


def list_files(folder: Path) -> list[FileState]:
    """Return the files in a folder by name. Links and folders are none, and names that are no text cannot be told.

    Raises:
        OSError: It cannot be read; FileNotFoundError where it is not there.
    """
    with os.scandir(folder) as entries:
        found = {entry.name: entry.stat(follow_symlinks=False) for entry in entries}
    return [
        _state(folder / name, status)
        for name, status in sorted(found.items())
        if stat.S_ISREG(status.st_mode) and _is_text(name)
    ]


class ModelFile:
    """One file of a model, open for reading from `open` to `close`: what is put in its place meanwhile is not read.

    Args:
        folder: Folder of the model; a link in its place is not followed.
        name: Name of the file, a plain one; a link of this name is not followed.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._descriptor = -1

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> FileState:
        """Open it, and return its state.

        Raises:
            OSError: There is no such file, or it cannot be read.
        """
        folder = os.open(self._folder, _FOLDER)
        try:
            self._descriptor = os.open(self._name, _FILE, dir_fd=folder)
        finally:
            os.close(folder)
        status = os.fstat(self._descriptor)
        path = self._folder / self._name
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(errno.ENOENT, "no regular file", str(path))
        return _state(path, status)

    def read(self, offset: int, size_bytes: int) -> bytes:
        """Return bytes from an offset on; fewer only at the end of the file.

        Raises:
            FileChangedError: The file ends before.
        """
        data = os.pread(self._descriptor, size_bytes, offset)
        if not data:
            raise FileChangedError(self._folder / self._name)
        return data

    def check(self, state: FileState) -> None:
        """Check that nobody has written to it.

        Raises:
            FileChangedError: Somebody has.
        """
        if _state(state.path, os.fstat(self._descriptor)) != state:
            raise FileChangedError(state.path)

    def close(self) -> None:
        """Close it; calling it twice, or before it was opened, is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _is_text(name: str) -> bool:
    """Tell whether a message can hold the name: the system allows any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _state(path: Path, status: os.stat_result) -> FileState:
    return FileState(path, status.st_size, status.st_mtime_ns)
