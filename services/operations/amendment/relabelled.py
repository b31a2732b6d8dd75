"""A change of an operation at work that may touch its labels."""

from services.operations.changes import Changes
from services.operations.stored_change import StoredChange


class Relabelled(StoredChange):
    """A stored change that also brings the table of labels up to date."""

    def prepare(self, changes: Changes) -> None:
        """Add the operation, and its labels as they will be."""
        before = set(self._operation.record.labels)
        super().prepare(changes)
        if self._image is not None:
            removed = before - set(self._image.record.labels)
            changes.removed_labels.extend((self._operation.id, key) for key in removed)
            changes.labels.extend(self._image.label_rows())
