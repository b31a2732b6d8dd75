"""Start a session's keeper, which starts the worker."""

import contextlib
import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from services.host.folder import SessionFolder

WORKER_VARIABLES: Final = {
    # Writes where the Python code stood when native code is ended by a fault.
    "PYTHONFAULTHANDLER": "1",
}
"""What every worker's environment has."""

_TRIES: Final = 200
_PAUSE_SECONDS: Final = 0.005
_KEEPER: Final = Path(__file__).with_name("keeper.py")


@contextlib.contextmanager
def locked_for_keeper(session: SessionFolder) -> Iterator[int]:
    """Hold `keeper.lock` of a session within the block, and give its descriptor.

    The lock belongs to the open file, and not to a process: whoever is given the descriptor within the block holds it,
    too, to the end of its life. So it is held without a gap from before the keeper exists, or knows of the session,
    until the kernel has ended it, and no process id has to be believed.

    Blocks for a second where a keeper lives already: call it in a thread.

    Raises:
        OSError: The file cannot be used; BlockingIOError where a keeper lives already.
    """
    lock = os.open(session.keeper_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(lock)
        yield lock
    finally:
        os.close(lock)


def spawn_keeper(
    session: SessionFolder,
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    lock: int,
    memory_limit_bytes: int = 0,
    niceness: int = 0,
) -> None:
    """Start the keeper of a session. Blocks for the milliseconds that a fork takes: call it in a thread.

    Args:
        session: The session to work on.
        command: The worker's command line; its first word is the path of an executable.
        environment: The worker's environment.
        lock: As `locked_for_keeper` gives it.
        memory_limit_bytes: Most memory for data of each of its processes; 0 for no limit.
        niceness: How far it steps back behind other processes.

    Raises:
        OSError: The keeper could not be started.
    """
    limits = [str(memory_limit_bytes), str(niceness)]
    # Without O_APPEND a worker that begins again would write over what the first one said.
    log = os.open(session.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_KEEPER), str(session.path), str(lock), *limits, *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock,),
            start_new_session=True,
            env={**environment, **WORKER_VARIABLES},
        )
    finally:
        os.close(log)
    reap(keeper)


def reap(keeper: "subprocess.Popen[bytes]") -> threading.Thread:
    """Let a thread wait for the end of a keeper, and return the thread.

    Somebody has to reap it while this process lives. How the session ended is read from its folder: a keeper that was
    adopted has no parent here, and both are looked at in the same way.
    """
    thread = threading.Thread(target=keeper.wait, name=f"reap-{keeper.pid}", daemon=True)
    thread.start()
    return thread


def keeper_lives(session: SessionFolder) -> bool:
    """Tell whether the session has a keeper now: whether somebody else holds its lock.

    Raises:
        OSError: The lock cannot be looked at.
    """
    try:
        lock = os.open(session.keeper_lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared: others may be looking, too.
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _take(lock: int) -> None:
    """Lock for a keeper. Who looks whether there is one has the lock for a moment, and is no keeper.

    Raises:
        BlockingIOError: There is one.
    """
    for _ in range(_TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_PAUSE_SECONDS)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
