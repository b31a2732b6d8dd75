"""Say why a worker ended that left no result."""

import os
import signal as signals
from datetime import timedelta
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import ServiceError
from services.host.folder import SessionFolder
from services.host.records import ExitRecord

CANNOT_WRITE: Final = os.EX_IOERR
"""Exit code of a worker that could not even write down how its work ended (sysexits.h)."""

_HINTS: Final = {
    signals.SIGSEGV: "Native code read or wrote where it may not; the end of the log has the Python stack.",
    signals.SIGBUS: "Native code used a part of a file or memory that is not there; the end of the log has the Python "
    "stack.",
    signals.SIGABRT: "Native code gave up; the end of the log says why.",
    signals.SIGKILL: "The host did not do it, and the kernel counted no shortage of memory: somebody else did.",
}

_OUT_OF_MEMORY: Final = "The kernel ended it for want of memory (SIGKILL)."
_PROBABLY_OUT_OF_MEMORY: Final = (
    "It was ended by SIGKILL, and the kernel has ended a process of this machine for want of memory since it began: "
    "most likely this one."
)


def reason_of_end(session: SessionFolder, ended: ExitRecord | None) -> ServiceError:
    """Return the error of a session whose worker is gone without a result, and was not asked to stop.

    Args:
        session: The session.
        ended: What its keeper wrote down; None where that is missing, too.
    """
    if ended is None:
        return ServiceError(ErrorReason.ERROR_REASON_WORKER_LOST, session_id=session.id)
    if ended.signal is None:
        return _exited(session, ended.code or 0, _limit_hint(ended))
    if ended.signal == signals.SIGKILL and ended.oom_kills > 0:
        detail = _OUT_OF_MEMORY if ended.oom_scope == "group" else _PROBABLY_OUT_OF_MEMORY
        memory = memory_in_words(ended.max_rss_bytes)
        return ServiceError(ErrorReason.ERROR_REASON_WORKER_OUT_OF_MEMORY, memory=memory, detail=detail)
    return ServiceError(
        ErrorReason.ERROR_REASON_WORKER_KILLED,
        signal=_signal_name(ended.signal),
        session_id=session.id,
        detail=" ".join(filter(None, [_HINTS.get(ended.signal), _limit_hint(ended)])),  # type: ignore[call-overload]  # a number equals its signal
    )


def memory_in_words(count: int) -> str:
    """Return an amount of memory for people, such as "1.5 GiB"."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def in_words(duration: timedelta) -> str:
    """Return a duration for people: "90 s", "1:30:00 h"."""
    seconds = duration.total_seconds()
    return f"{seconds:g} s" if seconds < 120 else f"{timedelta(seconds=round(seconds))} h"


def _limit_hint(ended: ExitRecord) -> str:
    """Libraries that get no memory while they load end in many ways, and hardly one of them says why."""
    if not ended.memory_limit_bytes:
        return ""
    return f"It was limited to {memory_in_words(ended.memory_limit_bytes)} of memory, which may have been too little."


def _exited(session: SessionFolder, code: int, hint: str) -> ServiceError:
    if code == CANNOT_WRITE:
        detail = "The worker could not write down how its work had ended; its log may say more."
        return ServiceError(ErrorReason.ERROR_REASON_STORAGE_FULL, path=str(session.path), detail=detail)
    return ServiceError(ErrorReason.ERROR_REASON_WORKER_EXITED, exit_code=code, session_id=session.id, detail=hint)


def _signal_name(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"
