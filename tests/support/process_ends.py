"""Whether a process has ended, by its number."""

import psutil


def has_ended(pid: int) -> bool:
    """Tell whether a process is gone, or waits to be reaped by somebody else; it may go while it is looked at."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
