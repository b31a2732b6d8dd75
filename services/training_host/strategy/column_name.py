"""The names of the network's inputs, which tell them apart everywhere: each is there once."""

from collections.abc import Iterator
from typing import Any

from services.training_host.strategy.path import Finding, path_text
from services.training_host.strategy.written import WrittenStrategy


def repeated_inputs(written: WrittenStrategy) -> Iterator[Finding]:
    """Find inputs that another one before them brings already."""
    first: dict[tuple[str, str], str] = {}
    for path, entry in written.entries():
        columns = [(name, timeframe) for name in _names(written, entry) for timeframe in written.timeframes_of(entry)]
        repeated = next((column for column in columns if column in first), None)
        if repeated is not None:
            name, timeframe = repeated
            yield path, f"brings {name} of {timeframe}, which {first[repeated]} brings already; leave one of them out"
        for column in columns:
            first.setdefault(column, path_text(path))


def _names(written: WrittenStrategy, entry: dict[str, Any]) -> list[str]:
    fuzzy_set, raw_indicator = entry.get("fuzzy_set"), entry.get("raw_indicator")
    if isinstance(fuzzy_set, str):
        return [f"{fuzzy_set}.{label}" for label in written.labels(fuzzy_set)]
    return [raw_indicator] if isinstance(raw_indicator, str) else []
