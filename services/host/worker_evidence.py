"""Tell from the evidence in a session's folder how its worker stands."""

import ktrdr_bridge

from services.host.folder import SessionFolder
from services.host.process_spawn import keeper_lives
from services.host.process_table import is_running
from services.host.records import WorkerRecord
from services.host.runner import Liveness, WorkerView


def look(session: SessionFolder) -> WorkerView:
    """Tell how a session's worker stands.

    A worker has ended when its keeper says so, or when keeper and worker are both provably gone. A held lock proves a
    life, and so does a process of the number that was written down which began at that moment; a number that is not
    there proves nothing (the worker may be in another container).
    """
    try:
        if session.exit_record.exists():
            return WorkerView(Liveness.ENDED)
    except OSError:
        return WorkerView(Liveness.STALE)
    # In this order: what a keeper that is gone has written down does not change any more.
    keeper = keeper_is_alive(session)
    record = worker_record(session)
    pid = 0 if record is None or record.worker_pid is None else record.worker_pid
    if keeper:
        return WorkerView(Liveness.ALIVE, pid)
    if session.exit_record.exists():
        return WorkerView(Liveness.ENDED)  # written between the two looks
    worker = ktrdr_bridge.is_alive(session.alive_lock)
    if worker or _runs(record):
        return WorkerView(Liveness.ALIVE, pid)
    if keeper is None or (worker is None and _there(session)):
        return WorkerView(Liveness.STALE, pid)
    return WorkerView(Liveness.ENDED)  # where the lock file is missing too, the worker never came to its work


def keeper_is_alive(session: SessionFolder) -> bool | None:
    """Tell whether a session has a keeper now; None where it cannot be told."""
    try:
        return keeper_lives(session)
    except OSError:
        return None


def never_started(session: SessionFolder) -> bool:
    """Tell whether provably no worker was ever started: the keeper writes down who it is before it starts one."""
    try:
        # The keeper first: one that comes to its end while it is looked for has written down all that it did.
        return not (keeper_lives(session) or session.worker_record.exists() or session.exit_record.exists())
    except OSError:
        return False


def worker_record(session: SessionFolder) -> WorkerRecord | None:
    """Return what the keeper has written down about the processes; None where that is missing or cannot be read."""
    try:
        return WorkerRecord.load(session.worker_record)
    except OSError:
        return None


def _there(session: SessionFolder) -> bool:
    try:
        session.alive_lock.lstat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def _runs(record: WorkerRecord | None) -> bool:
    """Tell whether the worker runs: it may not have come to take its lock yet."""
    if record is None or record.worker_pid is None:
        return False
    return is_running(record.worker_pid, record.worker_start_ticks, record.boot_id)
