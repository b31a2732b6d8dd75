"""Let the system forget the files of the interpreter and its libraries."""

import contextlib
import os
import sysconfig
from pathlib import Path

_DROP = Path("/proc/sys/vm/drop_caches")


def forget_libraries() -> str:
    """Take the libraries out of the page cache, and say how far that went.

    As root on a machine of one's own everything is dropped (/proc/sys/vm/drop_caches, see proc(5)). Elsewhere the
    kernel is advised file by file (posix_fadvise(2)): it keeps what other processes have mapped.
    """
    os.sync()
    try:
        _DROP.write_text("3\n")
    except OSError:
        pass
    else:
        return "everything is dropped"
    if not hasattr(os, "posix_fadvise"):
        return "not possible on this system; the rounds that are called cold are warm ones"
    for folder in {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}:
        for path in Path(folder).rglob("*"):
            with contextlib.suppress(OSError):
                _advise(path)
    return "drop_caches is not permitted: Python and its libraries only, but for what other processes use of them"


def _advise(path: Path) -> None:
    if not path.is_file():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
