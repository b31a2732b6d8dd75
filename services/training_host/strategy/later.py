"""Values that the format has and this build cannot train yet: refused by name, never ignored."""

from dataclasses import dataclass

from services.training_host.strategy.fault import Fault
from services.training_host.strategy.path import Path, value_at
from services.training_host.strategy.source import Document


@dataclass(frozen=True)
class _LaterChoice:
    """A key some of whose values this build cannot do.

    Attributes:
        path: The key.
        later: Values of the format that are refused.
        supported: Values to use instead.
        owner: The part of the document whose other keys depend on the value, so that they are not checked without it.
    """

    path: Path
    later: tuple[str, ...]
    supported: str
    owner: Path


_CHOICES = (
    _LaterChoice(("training_data", "symbols", "mode"), ("multi_symbol",), "single", ("training_data", "symbols")),
    _LaterChoice(
        ("training_data", "timeframes", "mode"), ("multi_timeframe",), "single", ("training_data", "timeframes")
    ),
    _LaterChoice(("model", "type"), ("lstm", "gru"), "mlp", ("model",)),
    _LaterChoice(
        ("training", "labels", "source"), ("triple_barrier",), "forward_return, zigzag", ("training", "labels")
    ),
    _LaterChoice(("training", "loss"), ("focal",), "cross_entropy", ("training", "loss")),
    _LaterChoice(("training", "optimizer"), ("adamw",), "adam, sgd", ("training", "optimizer")),
    _LaterChoice(("training", "lr_scheduler", "type"), ("cosine", "step"), "plateau", ("training", "lr_scheduler")),
)


def later_values(document: Document) -> tuple[list[Fault], list[Path]]:
    """Find values that this build cannot do yet.

    Returns:
        A fault for each, and the parts of the document that cannot be checked because of them.
    """
    found = [choice for choice in _CHOICES if value_at(document.values, choice.path) in choice.later]
    faults = [
        document.fault(
            choice.path,
            f'"{value_at(document.values, choice.path)}" is not supported yet by this host; '
            f"supported: {choice.supported}",
        )
        for choice in found
    ]
    return faults, [choice.owner for choice in found]
