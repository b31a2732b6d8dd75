"""Which operations changed last: what watches read."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice, takewhile
from typing import Final

from services.operations.live_operation import LiveOperation

_RECENTLY_ENDED: Final = 1_000


class ChangeIndex:
    """Operations in the order of their revisions: an index of latest states, not a log.

    Those that have ended stay for a while, so that watches that keep up never need the store.

    Args:
        floor: Operations that ended at this revision or below are in the store only.
        recently_ended: How many ended operations to keep.
    """

    def __init__(self, floor: int, recently_ended: int = _RECENTLY_ENDED) -> None:
        self._by_revision: OrderedDict[str, LiveOperation] = OrderedDict()
        self._ended: OrderedDict[str, LiveOperation] = OrderedDict()
        self._recently_ended = recently_ended
        self._listeners: list[Callable[[], None]] = []
        self.floor = floor

    def __len__(self) -> int:
        """Return how many operations are in memory."""
        return len(self._by_revision)

    def __contains__(self, operation_id: object) -> bool:
        """Tell whether an operation is in memory."""
        return operation_id in self._by_revision

    def touch(self, operation: LiveOperation) -> None:
        """Take note that an operation has a new revision, and tell all listeners."""
        self._by_revision[operation.id] = operation
        self._by_revision.move_to_end(operation.id)
        # What was shown while this change was being stored has a higher revision, and stays behind it.
        later = list(takewhile(lambda other: other.record.revision > operation.record.revision, self._before_last()))
        for other in reversed(later):
            self._by_revision.move_to_end(other.id)
        if operation.state.ended:
            self._ended[operation.id] = operation
            self._ended.move_to_end(operation.id)
            while len(self._ended) > self._recently_ended:
                operation_id, oldest = self._ended.popitem(last=False)
                del self._by_revision[operation_id]
                self.floor = max(self.floor, oldest.record.revision)
        else:
            self._ended.pop(operation.id, None)  # another attempt of it has begun
        self.notify()

    def forget(self, operation_id: str) -> None:
        """Let go of an operation that was deleted."""
        self._by_revision.pop(operation_id, None)
        self._ended.pop(operation_id, None)

    def get(self, operation_id: str) -> LiveOperation | None:
        """Return an operation that is live or has ended lately."""
        return self._by_revision.get(operation_id)

    def changed(self, after: int, up_to: int) -> list[LiveOperation]:
        """Return the operations in memory whose revision is above `after` and not above `up_to`, by revision."""
        found: list[LiveOperation] = []
        for operation in reversed(self._by_revision.values()):
            if operation.record.revision <= after:
                break
            if operation.record.revision <= up_to:
                found.append(operation)
        found.reverse()
        return found

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

    def _before_last(self) -> Iterator[LiveOperation]:
        return islice(reversed(self._by_revision.values()), 1, None)
