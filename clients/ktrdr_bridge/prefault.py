"""Make a mapping's pages exist before the hot path touches them."""

import mmap
import os


def prefault(mapping: mmap.mmap, zeros: int) -> None:
    """Zero a new mapping, so that its pages exist.

    The kernel does it in one read from /dev/zero, during which Python's lock is free for the loop that reports.

    Args:
        mapping: What is to be zeroed.
        zeros: /dev/zero, open for reading.
    """
    with memoryview(mapping) as view:
        done = 0
        try:
            while done < len(view):
                done += os.readv(zeros, [view[done:]])
        except OSError:
            view[done:] = bytes(len(view) - done)
