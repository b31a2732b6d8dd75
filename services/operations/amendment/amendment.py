"""Change an operation wherever it is."""

from collections.abc import Callable

from services.operations.amendment.amended_end import AmendedEnd
from services.operations.amendment.relabelled import Relabelled
from services.operations.live_operation import Change, LiveOperation
from services.operations.operation_state import OperationState
from services.operations.registry import Registry
from services.operations.turns import Turns

Check = Callable[[OperationState], None]
"""Looks at an operation before it is changed; raises what speaks against it."""


class Amendment:
    """Changes operations durably, at work or ended.

    Args:
        registry: The operations.
        turns: Orders those who change an ended operation.
    """

    def __init__(self, registry: Registry, turns: Turns) -> None:
        self._registry = registry
        self._turns = turns

    async def change(
        self, operation_id: str, change: Change, *, check: Check | None = None
    ) -> LiveOperation | OperationState:
        """Change an operation, and return it. What changes nothing is not stored.

        Args:
            operation_id: Which.
            change: How. It must give the same however often it is applied.
            check: Looks at the operation before.

        Raises:
            ServiceError: OPERATION_NOT_FOUND, or what `check` raises.
        """
        async with self._turns.of(operation_id):
            while True:
                operation = await self._registry.get(operation_id)
                state = operation.state if isinstance(operation, LiveOperation) else operation
                if check is not None:
                    check(state)
                if not _changes(state, change):
                    return operation
                if state.ended:
                    await self._registry.commits.commit(AmendedEnd(self._registry, operation, change))
                elif isinstance(operation, LiveOperation):
                    # Where its end comes first, the change is left out, and comes in the next round.
                    await self._registry.commits.commit(Relabelled(self._registry, operation, change))


def _changes(state: OperationState, change: Change) -> bool:
    copy = state.copy()
    change(copy)
    return copy.record != state.record
