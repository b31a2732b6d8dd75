"""The header of a journal that is written: flags, segment count and state slots, through a memory map."""

import mmap
import os

from ktrdr_bridge.identity import HEADER_BYTES, HEADER_READ_BYTES, Identity, UnreadableJournal
from ktrdr_bridge.state import SLOT_BYTES, SLOT_OFFSETS, State, newest_state

_SLOTS = slice(SLOT_OFFSETS[0], SLOT_OFFSETS[-1] + SLOT_BYTES)


class Header:
    """A header, mapped.

    Args:
        descriptor: The journal, open for reading and writing.
        identity: Its identity.

    Raises:
        UnreadableJournal: The header is cut off.
    """

    def __init__(self, descriptor: int, identity: Identity) -> None:
        if os.fstat(descriptor).st_size < HEADER_BYTES:
            raise UnreadableJournal("the journal is cut off")
        self._mapping = mmap.mmap(descriptor, HEADER_BYTES)
        self._identity = identity
        view = memoryview(self._mapping)
        offset = identity.flags_offset
        self._counters = view[offset : offset + 16].cast("Q")
        view.release()

    @property
    def flags(self) -> int:
        """What the writer tells by single bits."""
        return self._counters[0]

    @flags.setter
    def flags(self, value: int) -> None:
        self._counters[0] = value

    @property
    def segment_count(self) -> int:
        """Segments that readers may read."""
        return self._counters[1]

    @segment_count.setter
    def segment_count(self, value: int) -> None:
        self._counters[1] = value

    def newest_state(self) -> State:
        """Return the newest whole state."""
        return newest_state(self._mapping[:HEADER_READ_BYTES])

    def write_state(self, state: State) -> None:
        """Write a state into the slot that doesn't hold the newest one."""
        data = state.encode()
        offset = SLOT_OFFSETS[state.sequence % 2]
        self._mapping[offset : offset + len(data)] = data

    def write_identity(self) -> None:
        """Make the journal readable."""
        data = self._identity.encode()
        self._mapping[: len(data)] = data

    def copy_from(self, other: "Header") -> None:
        """Take over another header's flags and states."""
        self._mapping[_SLOTS] = other._mapping[_SLOTS]  # noqa: SLF001  # of the same class
        self.flags = other.flags

    def close(self) -> None:
        """Unmap it."""
        self._counters.release()
        self._mapping.close()
