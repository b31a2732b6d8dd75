"""A strategy as it is written: what can be read of it although other parts may be wrong."""

from collections.abc import Iterator
from typing import Any

from services.training_host.indicators.definition import INDICATOR_TYPES, references
from services.training_host.strategy.closest import closest
from services.training_host.strategy.path import Path, value_at
from services.training_host.strategy.preset import PRESET_LABELS
from services.training_host.strategy.training_data import TIMEFRAMES

_NO_LABELS = frozenset({"indicator", "preset"})


class WrittenStrategy:
    """What a document names, and what its inputs read. Parts of a wrong shape are left out.

    Args:
        values: The root mapping of the document.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values
        self.indicators = _mapping(values.get("indicators"))
        self.fuzzy_sets = _mapping(values.get("fuzzy_sets"))
        inputs = values.get("nn_inputs")
        self.inputs: list[Any] = inputs if isinstance(inputs, list) else []
        self.timeframes = self._timeframes()
        self.outputs = [
            reference
            for name, indicator in self.indicators.items()
            if (kind := INDICATOR_TYPES.get(str(_mapping(indicator).get("type")))) is not None
            for reference in references(name, kind.outputs)
        ]

    def at(self, *path: str | int) -> Any:
        """Return the value at a path, or None when there is none."""
        return value_at(self._values, path)

    def entries(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Yield the inputs that are mappings, with their paths."""
        for index, entry in enumerate(self.inputs):
            if isinstance(entry, dict):
                yield ("nn_inputs", index), entry

    def is_unclear(self, reference: str) -> bool:
        """Tell whether a reference leads to an indicator whose outputs are not known, because its type is wrong."""
        indicator = self.indicators.get(reference.partition(".")[0], {})
        return str(_mapping(indicator).get("type")) not in INDICATOR_TYPES

    def labels(self, fuzzy_set: str) -> list[str]:
        """Return the labels of a fuzzy set, as far as they can be read."""
        written = _mapping(self.fuzzy_sets.get(fuzzy_set))
        terms = _mapping(written.get("preset")).get("terms")
        preset = PRESET_LABELS.get(terms, ()) if isinstance(terms, int) else ()
        return [*preset, *(label for label in written if label not in _NO_LABELS)]

    def timeframes_of(self, entry: dict[str, Any]) -> list[str]:
        """Return the timeframes of an input; all where that cannot be read."""
        chosen = entry.get("timeframes", "all")
        return [name for name in chosen if isinstance(name, str)] if isinstance(chosen, list) else self.timeframes

    def read_fuzzy_sets(self) -> set[str]:
        """Return the fuzzy sets that inputs read; a misspelt name counts as the closest one."""
        named = [name for _, entry in self.entries() for name in _names(entry, "fuzzy_set")]
        return {found for name in named if (found := closest(name, self.fuzzy_sets)) is not None}

    def read_indicators(self) -> set[str]:
        """Return the ids of the indicators that inputs read, directly or through a fuzzy set."""
        named = [name for _, entry in self.entries() for name in _names(entry, "raw_indicator")]
        named += [
            source
            for name in self.read_fuzzy_sets()
            if isinstance(source := _mapping(self.fuzzy_sets[name]).get("indicator"), str)
        ]
        return {found for name in named if (found := self._indicator(name)) is not None}

    def _indicator(self, reference: str) -> str | None:
        """Return the id of the indicator that a reference means; a misspelt one means the closest."""
        identifier = reference.partition(".")[0]
        if identifier in self.indicators:
            return identifier
        meant = closest(reference, self.outputs)
        return meant.partition(".")[0] if meant is not None else closest(identifier, self.indicators)

    def _timeframes(self) -> list[str]:
        """Return the timeframes, the shortest first; empty where they cannot be read."""
        chosen = _mapping(self.at("training_data", "timeframes"))
        several = chosen.get("list")
        names = several if isinstance(several, list) else [chosen.get("timeframe")]
        known = {name for name in names if isinstance(name, str) and name in TIMEFRAMES}
        return sorted(known, key=TIMEFRAMES.index) if len(known) == len(names) else []


def _names(entry: dict[str, Any], key: str) -> list[str]:
    """Return what an input names; of one that is neither kind of input, everything that could be a name."""
    if "fuzzy_set" in entry or "raw_indicator" in entry:
        return [entry[key]] if isinstance(entry.get(key), str) else []
    return [value for value in entry.values() if isinstance(value, str)]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
