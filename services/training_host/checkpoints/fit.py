"""Which strategies can go on from a checkpoint of another one."""

from typing import Any, Final

from services.training_host.strategy.check import load_strategy
from services.training_host.strategy.fault import StrategyInvalid
from services.training_host.strategy.strategy import Strategy

LENGTH: Final = ("training.epochs", "training.early_stopping")
"""How long each fold is trained: may change as long as none has been finished."""
FREE: Final = ("description", "training.checkpoints", "training.device")
"""What may always change."""
_SHOWN: Final = 5


def misfit(earlier_text: str, strategy: Strategy, *, fold: int) -> str:
    """Say why a training cannot go on from a checkpoint of an earlier one.

    Args:
        earlier_text: Strategy that the checkpoint was written with, its overrides applied.
        strategy: Strategy that is to go on.
        fold: Fold that the checkpoint is in, from 1.

    Returns:
        The reason as whole sentences; an empty text where it can go on.
    """
    try:
        earlier = load_strategy(earlier_text)
    except StrategyInvalid:
        return "Its strategy is of another version of the format."
    may_change = FREE if fold > 1 else (*LENGTH, *FREE)
    changed = [key for key in _differences(earlier, strategy) if not key.startswith(may_change)]
    if not changed:
        return ""
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    when = " once a fold has been finished" if any(key.startswith(LENGTH) for key in changed) else ""
    named = f"{', '.join(changed[:_SHOWN])}{more}"
    return f"Its strategy differs in {named}; only {', '.join(may_change)} may change{when}."


def _differences(one: Strategy, other: Strategy) -> list[str]:
    first, second = (_flat(strategy.model_dump(mode="json"), "") for strategy in (one, other))
    missing = object()
    keys = [*first, *(key for key in second if key not in first)]
    return [key for key in keys if first.get(key, missing) != second.get(key, missing)]


def _flat(value: Any, path: str) -> dict[str, Any]:
    """Return the plain values of nested mappings by dotted path; lists are plain values here."""
    if not isinstance(value, dict) or not value:
        return {path: value}
    flat: dict[str, Any] = {}
    for key, below in value.items():
        flat |= _flat(below, f"{path}.{key}" if path else str(key))
    return flat
