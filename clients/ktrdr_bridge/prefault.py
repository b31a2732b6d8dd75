"""Make a mapping's pages exist before the hot path touches them."""

import mmap
import os
from typing import Final

_AT_ONCE_BYTES: Final = 2**18


def prefault(mapping: mmap.mmap, zeros: int) -> None:
    """Zero a new mapping, so that its pages exist.

    The kernel does it by reads from /dev/zero, during which Python's lock is free for the loop that reports. They are
    short, so that a loop that shares the processor isn't kept waiting.

    Args:
        mapping: What is to be zeroed.
        zeros: /dev/zero, open for reading.
    """
    with memoryview(mapping) as view:
        done = 0
        try:
            while done < len(view):
                done += os.readv(zeros, [view[done : done + _AT_ONCE_BYTES]])
        except OSError:
            view[done:] = bytes(len(view) - done)
