"""Tell whether a process still is the one that was written down."""

from functools import cache
from pathlib import Path


@cache
def boot_id() -> str:
    """Return the id of this boot of the machine; empty where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def start_ticks(pid: int) -> int:
    """Return when a process began, in clock ticks since boot: field 22 of /proc/PID/stat (proc(5)).

    Returns:
        0 where there is no such process, where it has ended and only waits to be reaped, or where the system does not
        tell.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    # The second field is the program's name in parentheses, which may hold anything.
    fields = stat.rpartition(")")[2].split()
    return 0 if fields[0] in {"Z", "X"} else int(fields[19])


def is_running(pid: int, ticks: int, boot: str) -> bool:
    """Tell whether the process that began at `ticks` of boot `boot` still runs under `pid`.

    A number alone lies: it is given to another process later. False where the system tells no ticks.
    """
    return bool(ticks) and boot == boot_id() and start_ticks(pid) == ticks
