"""Reserve file space before it is mapped: a full disk must be an error here, never a SIGBUS later."""

import os
from collections.abc import Callable

Reserve = Callable[[int, int, int], None]
"""`(file descriptor, offset, bytes)`; raises OSError when the space can't be had."""


def reserve_space(descriptor: int, offset: int, size_bytes: int) -> None:
    """Reserve a range of a file, growing the file if needed; bytes that exist keep their content.

    Raises:
        OSError: No space, no quota, or the file-size limit is reached.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, offset, size_bytes)
    else:
        write_zeros(descriptor, offset, size_bytes)


def write_zeros(descriptor: int, offset: int, size_bytes: int) -> None:
    """Reserve by writing zeros after the file's end, where posix_fallocate is absent (macOS).

    Raises:
        OSError: No space, no quota, or the file-size limit is reached.
    """
    position = max(offset, os.fstat(descriptor).st_size)
    zeros = bytes(65_536)
    while position < offset + size_bytes:
        position += os.pwrite(descriptor, zeros[: offset + size_bytes - position], position)
