"""What has arrived of an import, on disk until all of it is there."""

import tempfile
from pathlib import Path
from typing import IO, Final

END: Final = b"\xff\xff\xff\xff\x00\x00\x00\x00"
"""What the format of Arrow says a stream ends with. One that lacks it may have been cut at a batch."""


class Spool:
    """A file without a name, so that it is gone with the process, however that ends. Every method but close blocks.

    Args:
        folder: to make it in.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self.size = 0

    def write(self, content: bytes) -> None:
        """Add bytes; the first ones make the file.

        Raises:
            OSError: the file can't be written.
        """
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - lives as long as this
        self.size += self._file.write(content)

    def whole(self) -> IO[bytes] | None:
        """Return the file at its beginning; None where it does not end as an Arrow IPC stream does."""
        if self._file is None or self.size < len(END):
            return None
        self._file.seek(self.size - len(END))
        ended = self._file.read() == END
        self._file.seek(0)
        return self._file if ended else None

    def close(self) -> None:
        """Remove the file."""
        if self._file is not None:
            self._file.close()
