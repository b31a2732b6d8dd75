"""The writer's segments: reserved, mapped and prefaulted before a row is written to them."""

import mmap
import os
import sys
import threading
from dataclasses import dataclass

from ktrdr_bridge.identity import Identity
from ktrdr_bridge.prefault import prefault
from ktrdr_bridge.reserve import Reserve
from ktrdr_bridge.segment_head import FLAG_BOUND_REACHED, FLAG_NO_SPACE


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no further segment: the header flag that says so."""

    flag: int


class Segments:
    """Prepares segments, one ahead in a short-lived thread so that the event that fills a segment doesn't wait.

    Args:
        descriptor: The journal, open for reading and writing; the caller closes it, after `close`.
        identity: Tells the sizes of the segments.
        limit_bytes: Bound of the whole file.
        reserve: How file space is reserved.
    """

    def __init__(self, descriptor: int, identity: Identity, limit_bytes: int, reserve: Reserve) -> None:
        self._descriptor = descriptor
        self._identity = identity
        self._limit_bytes = limit_bytes
        self._reserve = reserve
        self._zeros = os.open("/dev/zero", os.O_RDONLY | os.O_CLOEXEC)
        self._ahead: tuple[int, threading.Thread] | None = None
        self._prepared: mmap.mmap | Refusal | None = None

    def existing(self, number: int) -> mmap.mmap:
        """Map a segment that has rows already; its content stays.

        Raises:
            OSError: The space that an earlier `close` gave back can't be had again.
        """
        offset, size = self._identity.span(number)
        self._reserve(self._descriptor, offset, size)
        return mmap.mmap(self._descriptor, size, offset=offset)

    def take(self, number: int) -> mmap.mmap | Refusal:
        """Return a new, empty segment; prepared ahead if `prepare_ahead(number)` was called, now otherwise."""
        if self._ahead is None or self._ahead[0] != number:
            return self._prepare(number)
        _, thread = self._ahead
        thread.join()
        prepared, self._prepared, self._ahead = self._prepared, None, None
        return self._prepare(number) if prepared is None else prepared

    def prepare_ahead(self, number: int) -> None:
        """Start preparing a segment in the background, unless that was done already."""
        if self._ahead is not None:
            return
        thread = threading.Thread(target=self._prepare_here, args=(number,), name="ktrdr-bridge-segment", daemon=True)
        self._ahead = (number, thread)
        try:
            thread.start()
        except RuntimeError:  # no thread to be had (limits, interpreter exit): it is prepared when it is needed
            self._ahead = None

    def settle(self) -> None:
        """Wait for a preparation that runs, before this process forks."""
        if self._ahead is not None:
            self._ahead[1].join()

    def close(self) -> None:
        """Wait for a preparation that runs, and drop what it made."""
        if self._ahead is not None and not sys.is_finalizing():  # at the very end threads stand still
            self._ahead[1].join()
        self._ahead = None
        if isinstance(self._prepared, mmap.mmap):
            self._prepared.close()
        self._prepared = None
        os.close(self._zeros)

    def forget(self) -> None:
        """Drop everything in a forked child, where a preparing thread doesn't exist."""
        self._ahead = None
        self._prepared = None
        os.close(self._zeros)

    def _prepare_here(self, number: int) -> None:
        self._prepared = self._prepare(number)

    def _prepare(self, number: int) -> mmap.mmap | Refusal:
        offset, size = self._identity.span(number)
        if offset + size > self._limit_bytes:
            return Refusal(FLAG_BOUND_REACHED)
        try:
            self._reserve(self._descriptor, offset, size)
            mapping = mmap.mmap(self._descriptor, size, offset=offset)
        except OSError:
            return Refusal(FLAG_NO_SPACE)
        prefault(mapping, self._zeros)
        return mapping
