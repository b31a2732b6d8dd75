"""When a reader has been told of everything that there is."""

from services.operations.registry import Registry
from services.operations.watching.query import Selection


class Snapshot:
    """What a watch begins with: its first bookmark says that it is whole.

    An operation that changes while the snapshot is told is told at its new revision, and may not have been told before;
    and a transaction that is running holds back what was shown since. So the end of the snapshot waits for all of it.

    Args:
        registry: The operations.
        selection: What is wanted.

    Attributes:
        is_whole: It has been told to its end.
    """

    def __init__(self, registry: Registry, selection: Selection) -> None:
        self._registry = registry
        self._selection = selection
        self._untold: set[str] | None = None
        self.is_whole = False

    def ends_at(self, position: int) -> bool:
        """Tell whether it is whole now, and was not before: everything up to `position` has been told."""
        if self.is_whole:
            return False
        if self._untold is None:
            changed = self._registry.index.changed(position, self._registry.revisions.latest)
            self._untold = {operation.id for operation in changed if self._selection.wants(operation.record)}
        self._untold = self._registry.index.beyond(self._untold, position)
        self.is_whole = not self._untold
        return self.is_whole
