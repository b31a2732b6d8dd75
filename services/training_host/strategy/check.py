"""From YAML text to a checked strategy."""

from collections.abc import Mapping

from pydantic import ValidationError

from services.training_host.strategy.coherence import incoherent_parts
from services.training_host.strategy.column_name import repeated_inputs
from services.training_host.strategy.explain import explain
from services.training_host.strategy.fault import Fault, StrategyInvalid
from services.training_host.strategy.override import apply_overrides
from services.training_host.strategy.path import Finding
from services.training_host.strategy.reference import broken_references
from services.training_host.strategy.source import Document, parse
from services.training_host.strategy.strategy import Strategy
from services.training_host.strategy.unread import unread_parts
from services.training_host.strategy.written import WrittenStrategy


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
    written = WrittenStrategy(document.values)
    findings: list[Finding] = [
        *broken_references(written),
        *unread_parts(written),
        *repeated_inputs(written),
        *incoherent_parts(written),
    ]
    try:
        strategy = Strategy.model_validate(document.values)
    except ValidationError as error:
        raise StrategyInvalid(_faults(document, [*explain(error, document.values), *findings])) from None
    if findings:
        raise StrategyInvalid(_faults(document, findings))
    return strategy


def _faults(document: Document, findings: list[Finding]) -> list[Fault]:
    faults = {document.fault(path, description) for path, description in findings}
    return sorted(faults, key=lambda fault: (fault.line or 0, fault.column or 0, fault.field, fault.description))
