"""Do the names inside a strategy lead somewhere? Works on what was written, so that other faults do not hide these."""

import difflib
from typing import Any

from services.training_host.indicators.definition import INDICATOR_TYPES, references
from services.training_host.strategy.fault import Fault
from services.training_host.strategy.path import Path, value_at
from services.training_host.strategy.source import Document


def reference_faults(document: Document) -> list[tuple[Path, Fault]]:
    """Find fuzzy sets and inputs that name what is not there, and fuzzy sets without labels."""
    checker = _References(document)
    checker.fuzzy_sets()
    checker.inputs()
    return checker.found


class _References:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._indicators = _mapping(document.values.get("indicators"))
        self._fuzzy_sets = _mapping(document.values.get("fuzzy_sets"))
        self.found: list[tuple[Path, Fault]] = []

    def fuzzy_sets(self) -> None:
        for name, fuzzy_set in self._fuzzy_sets.items():
            if not isinstance(fuzzy_set, dict):
                continue
            if "indicator" in fuzzy_set:
                self._indicator(("fuzzy_sets", name, "indicator"), fuzzy_set["indicator"])
            if not set(fuzzy_set) - {"indicator"}:
                self._add(("fuzzy_sets", name), "has no labels; add one such as `low: [0, 20, 40]`")

    def inputs(self) -> None:
        inputs = self._document.values.get("nn_inputs")
        seen: list[Any] = []
        for index, entry in enumerate(inputs if isinstance(inputs, list) else []):
            if not isinstance(entry, dict):
                continue
            path: Path = ("nn_inputs", index)
            if entry in seen:
                self._add(path, "is there twice")
            seen.append(entry)
            if isinstance(entry.get("fuzzy_set"), str) and entry["fuzzy_set"] not in self._fuzzy_sets:
                self._unknown((*path, "fuzzy_set"), entry["fuzzy_set"], list(self._fuzzy_sets), "fuzzy set")
            if "raw_indicator" in entry:
                self._indicator((*path, "raw_indicator"), entry["raw_indicator"])
            self._timeframes(path, entry.get("timeframes", "all"))

    def _timeframes(self, path: Path, timeframes: Any) -> None:
        timeframe = value_at(self._document.values, ("training_data", "timeframes", "timeframe"))
        if not isinstance(timeframe, str) or not isinstance(timeframes, list):
            return
        for position, name in enumerate(timeframes):
            if isinstance(name, str) and name != timeframe:
                message = f'"{name}" is not a timeframe of training_data; allowed: {timeframe}'
                self._add((*path, "timeframes", position), message)

    def _indicator(self, path: Path, reference: Any) -> None:
        if not isinstance(reference, str):
            return
        known: list[str] = []
        for identifier, definition in self._indicators.items():
            kind = INDICATOR_TYPES.get(str(_mapping(definition).get("type")))
            if kind is not None:
                known += references(identifier, kind.outputs)
            elif reference.split(".")[0] == identifier:
                return  # of an unknown type: said there
        if reference not in known:
            self._unknown(path, reference, known, "indicator")

    def _unknown(self, path: Path, name: str, known: list[str], what: str) -> None:
        close = difflib.get_close_matches(name, known, n=1)
        meant = f'; did you mean "{close[0]}"?' if close else ""
        self._add(path, f'no {what} "{name}"; there are: {", ".join(known) or "none"}{meant}')

    def _add(self, path: Path, description: str) -> None:
        self.found.append((path, self._document.fault(path, description)))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
