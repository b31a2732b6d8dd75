"""An Arrow IPC stream that arrived in pieces, read without joining them."""

from collections.abc import Sequence
from typing import Final

_NOTHING: Final = memoryview(b"")


class ArrowPieces:
    """A file for `pyarrow.PythonFile`: joining the pieces would copy all of it once more.

    What is read is a part of a piece wherever it lies in one, and stays valid as long as it is used.

    Args:
        pieces: the stream, cut anywhere.
    """

    closed = False

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = [memoryview(piece) for piece in pieces if piece]
        self._number = 0
        self._offset = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""

    def read(self, size: int = -1) -> memoryview:
        """Return the next bytes, fewer at the end."""
        parts = []
        while size != 0 and self._number < len(self._pieces):
            piece = self._pieces[self._number]
            end = len(piece) if size < 0 else min(len(piece), self._offset + size)
            parts.append(piece[self._offset : end])
            size -= end - self._offset if size > 0 else 0
            self._offset = end
            if end == len(piece):
                self._number, self._offset = self._number + 1, 0
        if len(parts) > 1:
            return memoryview(b"".join(parts))
        return parts[0] if parts else _NOTHING
