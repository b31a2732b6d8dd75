"""Which operations the followers of a feed know to be outside of its filter."""

from collections.abc import Container
from typing import Final

_ALWAYS_KEPT: Final = 10_000


class Outsiders:
    """Keeps since when operations have been outside of a filter, so that each is told to have left once only.

    Only of use for who has followed the feed since: somebody else may have seen the operation inside in between. What
    is not known here may be told once too often, which readers ignore.
    """

    def __init__(self) -> None:
        self._since: dict[str, int] = {}

    def outside_at(self, operation_id: str, revision: int) -> bool:
        """Tell whether an operation has been outside at `revision`, and at each stop of the feed after it."""
        since = self._since.get(operation_id)
        return since is not None and since <= revision

    def left(self, operation_id: str, revision: int) -> None:
        """Take note that an operation is outside at its revision."""
        self._since.setdefault(operation_id, revision)

    def entered(self, operation_id: str) -> None:
        """Take note that an operation is inside, or gone."""
        self._since.pop(operation_id, None)

    def trim(self, in_memory: Container[str]) -> None:
        """Forget operations that ended long ago, if there are many."""
        if len(self._since) > _ALWAYS_KEPT:
            self._since = {key: value for key, value in self._since.items() if key in in_memory}
