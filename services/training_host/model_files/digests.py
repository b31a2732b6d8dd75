"""Digests of files, each calculated once."""

import asyncio
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from services.training_host.model_files.folder import FileChangedError, FileState, ModelFile

_PIECE_BYTES: Final = 2**20
_MOST_REMEMBERED: Final = 10_000


class Digests:
    """Calculates digests beside the event loop, and remembers them for as long as files stay as they are.

    Who asks for a digest that is being calculated already waits for it.

    Args:
        most_remembered: How many are remembered; the one that was not asked for longest is forgotten first.
        calculate: Calculates one, for a file and a function that tells whether it is still wanted.
    """

    def __init__(
        self,
        *,
        most_remembered: int = _MOST_REMEMBERED,
        calculate: "Callable[[FileState, Callable[[], bool]], str] | None" = None,
    ) -> None:
        self._most_remembered = most_remembered
        self._calculate = calculate or sha256_of
        self._known: OrderedDict[FileState, str] = OrderedDict()
        self._running: dict[FileState, asyncio.Task[str]] = {}
        self._closed = threading.Event()

    async def of(self, file: FileState) -> str:
        """Return the SHA-256 of a file, hexadecimal.

        Raises:
            FileChangedError: It is not as it was any more.
            OSError: It is gone, or cannot be read.
        """
        known = self._known.get(file)
        if known is not None:
            self._known.move_to_end(file)
            return known
        # Shielded: whoever else waits for it, or asks again, still gets it when this caller goes away.
        return await asyncio.shield(self._running.get(file) or self._begin(file))

    async def close(self) -> None:
        """Calculate nothing any more; whoever waits gets a FileChangedError."""
        self._closed.set()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _begin(self, file: FileState) -> asyncio.Task[str]:
        task = asyncio.create_task(
            asyncio.to_thread(self._calculate, file, lambda: not self._closed.is_set()), name="digest"
        )
        self._running[file] = task
        task.add_done_callback(lambda _: self._end(file, task))
        return task

    def _end(self, file: FileState, task: asyncio.Task[str]) -> None:
        del self._running[file]
        # Looked at in any case: nobody may be left to hear of an exception.
        if task.cancelled() or task.exception() is not None:
            return
        self._known[file] = task.result()
        if len(self._known) > self._most_remembered:
            self._known.popitem(last=False)


def sha256_of(file: FileState, is_wanted: Callable[[], bool]) -> str:
    """Return the SHA-256 of a file, hexadecimal. Blocks: call it in a thread.

    Args:
        file: The file as it was seen.
        is_wanted: Asked now and then; False ends the calculation.

    Raises:
        FileChangedError: It is not as it was seen any more, or is not wanted any more.
        OSError: It is gone, or cannot be read.
    """
    digest = hashlib.sha256()
    with ModelFile(file.path.parent, file.path.name) as opened:
        for offset in range(0, file.size_bytes, _PIECE_BYTES):
            if not is_wanted():
                raise FileChangedError(file.path)
            digest.update(opened.read(offset, _PIECE_BYTES))
        opened.check(file)
    return digest.hexdigest()
