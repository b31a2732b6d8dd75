"""Tell that memory or disk ran out, which is no fault of the worker's code."""

import errno
import resource
import sys
from pathlib import Path
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import ServiceError
from services.host.end_reason import memory_in_words
from services.host.storage import storage_full

_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_ALLOCATOR_WORDS: Final = ("can't allocate memory", "not enough memory", "out of memory")
"""What PyTorch's allocators say in a RuntimeError."""


def exhaustion(error: BaseException | None, folder: Path) -> ServiceError | None:
    """Return the error to give for an exception that says that something ran out; None for any other.

    Args:
        error: What was raised.
        folder: Where the work writes, for errors that do not name a file.
    """
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        path = Path(str(error.filename)).parent if error.filename else folder
        return storage_full(path, error)
    if not _is_out_of_memory(error):
        return None
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    said = str(error).splitlines()
    detail = f"It says: {said[0]}" if said else ""
    return ServiceError(ErrorReason.ERROR_REASON_WORKER_OUT_OF_MEMORY, memory=memory_in_words(held), detail=detail)


def _is_out_of_memory(error: BaseException | None) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    # Known by name: the exception of PyTorch is not imported for the sake of a question.
    named = any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)
    return named or (isinstance(error, RuntimeError) and any(words in str(error) for words in _ALLOCATOR_WORDS))
