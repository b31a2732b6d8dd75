"""One writer of a dataset at a time, over all processes that share its folder."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import ServiceError
from services.common.files import FolderInUseError, FolderLock

NAME: Final = "lock"
_LOOK_SECONDS: Final = 0.02
_TRY_AGAIN: Final = timedelta(seconds=5)


@contextmanager
def dataset_lock(folder: Path, *, title: str, timeout: timedelta) -> Iterator[None]:
    """Hold the lock of a dataset's folder. The kernel drops it when its holder dies, however that happens.

    Args:
        folder: of the dataset; there already.
        title: of the dataset, for the error.
        timeout: how long to wait for whoever writes now.

    Raises:
        ServiceError: DATASET_BUSY, naming who holds it: another host whose store is the same folder, as a merge of this
            one is over within the timeout.
    """
    lock = FolderLock(folder / NAME, owner="a writer of bars")
    until = time.monotonic() + timeout.total_seconds()
    while True:
        try:
            lock.acquire()
            break
        except FolderInUseError as error:
            if time.monotonic() >= until:
                detail = (
                    f"The lock is held by {error.owner}. Two hosts may share a folder of bars, but they write a "
                    "dataset one after the other."
                )
                reason = ErrorReason.ERROR_REASON_DATASET_BUSY
                raise ServiceError(reason, dataset=title, detail=detail, retry_after=_TRY_AGAIN) from error
        time.sleep(_LOOK_SECONDS)
    try:
        yield
    finally:
        lock.release()
