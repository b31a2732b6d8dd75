"""Look at a few bytes of many files at once."""

import mmap
import os
from collections.abc import Hashable
from typing import Final, Generic, NamedTuple, TypeVar

from ktrdr_bridge import ChangingWords

MOST_WINDOWS: Final = 500
"""Each takes a file descriptor."""

Key = TypeVar("Key", bound=Hashable)


class _Window(NamedTuple):
    words: ChangingWords
    mapping: mmap.mmap
    view: memoryview


class JournalGlance(Generic[Key]):
    """Tells which of many journals have changed since the last look, with two system calls for all of them.

    A `pread` for each costs ten times as much. The bytes are mapped, but never touched by this process: it lets the
    kernel collect them, by writing them to a pipe. Where a file was cut off that write fails with an error; to touch
    the mapping would end the process.
    """

    def __init__(self) -> None:
        self._windows: dict[Key, _Window] = {}
        self._views: list[memoryview] = []
        self._size = 0
        self._seen = b""
        self._pipe: tuple[int, int] | None = None

    def __contains__(self, key: object) -> bool:
        return key in self._windows

    def __len__(self) -> int:
        return len(self._windows)

    def watch(self, key: Key, words: ChangingWords | None) -> None:
        """Look at these bytes from now on, instead of others of the same key. Their first look finds them changed."""
        known = self._windows.get(key)
        if known is not None and known.words is words:
            return
        self.forget(key)
        if words is None or len(self._windows) >= MOST_WINDOWS:
            return
        start = words.offset // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
        length = words.offset + words.size - start
        try:
            mapping = mmap.mmap(words.descriptor, length, prot=mmap.PROT_READ, offset=start)
        except (OSError, ValueError):
            return  # cut off, or no more of them to be had: it is looked at by itself
        self._windows[key] = _Window(words, mapping, memoryview(mapping)[words.offset - start :])
        self._arrange()

    def forget(self, key: Key) -> None:
        """Look at the bytes of this key no more."""
        window = self._windows.pop(key, None)
        if window is not None:
            self._arrange()
            window.view.release()
            window.mapping.close()

    def keep(self, keys: "set[Key]") -> None:
        """Forget all other keys."""
        for key in self._windows.keys() - keys:
            self.forget(key)

    def look(self) -> list[tuple[Key, ChangingWords, bytes]]:
        """Return what has changed since the last look: the key, where the bytes are, and what they are now.

        A file that cannot be looked at any more is forgotten, and it is for the caller to see what became of it.
        """
        found = self._collect(self._views, self._size)
        if found is None:
            self._forget_unreadable()
            found = self._collect(self._views, self._size) or b""
        seen, self._seen = self._seen, found
        if found == seen:
            return []
        changed, position = [], 0
        for key, window in self._windows.items():
            end = position + window.words.size
            if found[position:end] != seen[position:end]:
                changed.append((key, window.words, found[position:end]))
            position = end
        return changed

    def close(self) -> None:
        """Let go of everything."""
        self.keep(set())
        if self._pipe is not None:
            for descriptor in self._pipe:
                os.close(descriptor)
            self._pipe = None

    def _arrange(self) -> None:
        self._views = [window.view for window in self._windows.values()]
        self._size = sum(map(len, self._views))
        self._seen = b""

    def _forget_unreadable(self) -> None:
        for key, window in list(self._windows.items()):
            if self._collect([window.view], len(window.view)) is None:
                self.forget(key)

    def _collect(self, views: list[memoryview], size: int) -> bytes | None:
        """Return the bytes of some views, `size` altogether; None where one of them cannot be read."""
        if not views:
            return b""
        if self._pipe is None:
            self._pipe = os.pipe()
            os.set_blocking(self._pipe[1], False)
        source, sink = self._pipe
        try:
            written = os.writev(sink, views)
        except OSError:
            return None
        found = os.read(source, written)
        return found if len(found) == size else None
