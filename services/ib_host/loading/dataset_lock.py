"""One load at a time works at a dataset, whichever process it runs in."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from services.common.clock import Clock
from services.common.files import FolderInUseError, FolderLock
from services.common.threads import in_thread

_LOOK_SECONDS: Final = 0.1
_NAME: Final = "load.lock"


@asynccontextmanager
async def dataset_to_itself(
    folder: Path, *, title: str, session: str, clock: Clock, told: Callable[[str], None]
) -> AsyncIterator[None]:
    """Wait until no other load works at a dataset, and keep others from it. The kernel lets go of it with the process.

    So no stretch is asked for twice, and a dataset that is loaded anew has one who does it.

    Args:
        folder: of the dataset; made if need be.
        title: of the dataset, for people.
        session: who loads.
        clock: for the pauses between looks.
        told: called with what it waits for, and with "" when it goes on.

    Raises:
        OSError: the folder can't be used.
    """
    lock = FolderLock(folder / _NAME, owner=f"load {session}")
    try:
        waited = False
        while owner := await in_thread(_owner_or_taken, lock, folder):
            told(f"{title} is loaded by {owner}; going on when it is over")
            waited = True
            await clock.sleep(_LOOK_SECONDS)
        if waited:
            told("")
        yield
    finally:
        lock.release()


def _owner_or_taken(lock: FolderLock, folder: Path) -> str:
    """Take the lock and return nothing, or return who has it: "load 4kq (pid 4711 on box-7, since …)"."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire()
    except FolderInUseError as error:
        return error.owner
    return ""
