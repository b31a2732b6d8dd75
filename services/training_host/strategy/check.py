"""From YAML text to a checked strategy."""

from collections.abc import Mapping

from pydantic import ValidationError

from services.training_host.strategy.explain import explain
from services.training_host.strategy.fault import Fault, StrategyInvalid
from services.training_host.strategy.later import later_values
from services.training_host.strategy.override import apply_overrides
from services.training_host.strategy.path import Path
from services.training_host.strategy.reference import reference_faults
from services.training_host.strategy.source import Document, parse
from services.training_host.strategy.strategy import Strategy


def load_strategy(text: str, overrides: Mapping[str, str] | None = None) -> Strategy:
    """Read and check a strategy.

    Args:
        text: YAML, version 3 of the format.
        overrides: Dotted path to YAML value, applied before checking.

    Returns:
        The strategy.

    Raises:
        StrategyInvalid: With every fault that was found, in the order of the text.
    """
    document = parse(text)
    apply_overrides(document, overrides or {})
    # `version: 3.0` is a number in YAML; what is meant is plain.
    if document.values.get("version") == 3.0:
        document.values["version"] = "3.0"
    later, unchecked = later_values(document)
    found = reference_faults(document)
    strategy = None
    try:
        strategy = Strategy.model_validate(document.values)
    except ValidationError as error:
        found += explain(error, document)
    faults = later + [fault for path, fault in found if not _within(path, unchecked)]
    if strategy is not None:
        faults += _history_faults(strategy, document)
    if faults or strategy is None:
        raise StrategyInvalid(_in_order(faults))
    return strategy


def _within(path: Path, parts: list[Path]) -> bool:
    return any(path[: len(part)] == part for part in parts)


def _history_faults(strategy: Strategy, document: Document) -> list[Fault]:
    """Name the indicators that need more history than the strategy gives them."""
    history = strategy.training_data.history_required
    return [
        document.fault(
            ("training_data", "history_required"),
            f'{history} bars are too few: indicator "{name}" has its first value after {indicator.warm_up_bars}',
        )
        for name, indicator in strategy.indicators.items()
        if 0 < history < indicator.warm_up_bars
    ]


def _in_order(faults: list[Fault]) -> list[Fault]:
    return sorted(set(faults), key=lambda fault: (fault.line or 0, fault.column or 0, fault.field))
