"""What the exit code of `ktrdr` says."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes, for scripts."""

    OK = 0
    """COMPLETED, or a read or a detached start that succeeded."""
    REFUSED = 1
    """Not found, already exists, and every other refusal; also a system that could not be started."""
    USAGE = 2
    """Wrong usage, or an invalid strategy."""
    FAILED = 3
    """The work ended FAILED."""
    CANCELLED = 4
    """The work ended CANCELLED."""
    UNREACHABLE = 5
    """The service does not answer."""
    WAIT_TIMEOUT = 6
    """The time to wait is over; the work goes on."""
    INTERRUPTED = 130
    """Ctrl-C; the work goes on."""
