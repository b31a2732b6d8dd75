"""A folder that appears at once, complete, or not at all."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from services.common.files import sync_folder


@contextlib.contextmanager
def appearing_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary sibling to write into, and move it to its place when the block ends without an exception.

    Files are on disk before the folder has its name, so that not even a power cut leaves an incomplete model.

    Args:
        folder: Must not exist; the folders above it are made.

    Raises:
        OSError: No space is left, or the folder exists.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".new"))
    try:
        yield temporary
        for path in temporary.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        temporary.chmod(0o755)
        sync_folder(temporary)
        temporary.rename(folder)
    finally:
        # After the move there is nothing left to remove.
        shutil.rmtree(temporary, ignore_errors=True)
    sync_folder(folder.parent)
