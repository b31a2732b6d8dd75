"""Which operations changed last: what watches read."""

import asyncio
from bisect import bisect_right, insort_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from services.operations.live_operation import LiveOperation

_RECENTLY_ENDED: Final = 1_000
_FEWEST_TO_TIDY: Final = 1_000


class _Entry(NamedTuple):
    """An operation at one of its revisions."""

    revision: int
    operation: LiveOperation


def _revision(entry: _Entry) -> int:
    return entry.revision


class ChangeIndex:
    """Operations in the order of their revisions: an index of latest states, not a log.

    Those that have ended stay for a while, so that watches that keep up never need the store.

    Args:
        floor: Operations that ended at this revision or below are in the store only.
        recently_ended: How many ended operations to keep.
    """

    def __init__(self, floor: int, recently_ended: int = _RECENTLY_ENDED) -> None:
        self._entries: dict[str, _Entry] = {}
        # By revision, entries that newer ones have taken the place of included: they are dropped now and then.
        self._order: list[_Entry] = []
        self._ended: OrderedDict[str, LiveOperation] = OrderedDict()
        self._recently_ended = recently_ended
        self._listeners: list[Callable[[], None]] = []
        self.floor = floor

    def __len__(self) -> int:
        """Return how many operations are in memory."""
        return len(self._entries)

    def __contains__(self, operation_id: object) -> bool:
        """Tell whether an operation is in memory."""
        return operation_id in self._entries

    def touch(self, operation: LiveOperation, revision: int = 0) -> None:
        """Take note that an operation has a new revision, and tell all listeners.

        Args:
            operation: The operation.
            revision: Its revision, where its record does not tell it yet.
        """
        entry = _Entry(revision or operation.record.revision, operation)
        self._entries[operation.id] = entry
        if self._order and self._order[-1].revision > entry.revision:
            # What was shown while this change was being stored has a higher revision, and stays behind it.
            insort_right(self._order, entry, key=_revision)
        else:
            self._order.append(entry)
        if len(self._order) > 2 * max(len(self._entries), _FEWEST_TO_TIDY):
            self._order = [one for one in self._order if self._is_latest(one)]
        if operation.state.ended:
            self._ended[operation.id] = operation
            self._ended.move_to_end(operation.id)
            while len(self._ended) > self._recently_ended:
                operation_id, oldest = self._ended.popitem(last=False)
                del self._entries[operation_id]
                self.floor = max(self.floor, oldest.record.revision)
        else:
            self._ended.pop(operation.id, None)  # another attempt of it has begun
        self.notify()

    def forget(self, operation_id: str) -> None:
        """Let go of an operation that was deleted."""
        self._entries.pop(operation_id, None)
        self._ended.pop(operation_id, None)

    def get(self, operation_id: str) -> LiveOperation | None:
        """Return an operation that is live or has ended lately."""
        entry = self._entries.get(operation_id)
        return entry.operation if entry else None

    def changed(self, after: int, up_to: int) -> list[LiveOperation]:
        """Return the operations in memory whose revision is above `after` and not above `up_to`, by revision."""
        start = bisect_right(self._order, after, key=_revision)
        end = bisect_right(self._order, up_to, lo=start, key=_revision)
        return [entry.operation for entry in self._order[start:end] if self._is_latest(entry)]

    def beyond(self, operation_ids: Iterable[str], revision: int) -> set[str]:
        """Return those of the operations whose latest revision is above `revision`."""
        return {one for one in operation_ids if (entry := self._entries.get(one)) and entry.revision > revision}

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever there may be something new to show. It must be quick."""
        self._listeners.append(listener)

    @contextmanager
    def subscription(self) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever something changes. Subscribe before reading, or a change can be missed."""
        event = asyncio.Event()
        self._listeners.append(event.set)
        try:
            yield event
        finally:
            self._listeners.remove(event.set)

    def notify(self) -> None:
        """Say that there may be something new to show."""
        for listener in self._listeners:
            listener()

    def _is_latest(self, entry: _Entry) -> bool:
        return self._entries.get(entry.operation.id) is entry
