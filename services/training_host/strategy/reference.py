"""Do the names inside a strategy lead somewhere? Works on what was written, so that other faults do not hide these."""

from collections.abc import Iterator
from typing import Any

from services.training_host.strategy.closest import suggestion
from services.training_host.strategy.path import Finding, Path
from services.training_host.strategy.written import WrittenStrategy


def broken_references(written: WrittenStrategy) -> Iterator[Finding]:
    """Find fuzzy sets and inputs that name what is not there."""
    for name, fuzzy_set in written.fuzzy_sets.items():
        if isinstance(fuzzy_set, dict):
            yield from _indicator(written, ("fuzzy_sets", name, "indicator"), fuzzy_set.get("indicator"))
    for path, entry in written.entries():
        yield from _fuzzy_set(written, (*path, "fuzzy_set"), entry.get("fuzzy_set"))
        yield from _indicator(written, (*path, "raw_indicator"), entry.get("raw_indicator"))
        yield from _timeframes(written, (*path, "timeframes"), entry.get("timeframes"))


def _fuzzy_set(written: WrittenStrategy, path: Path, name: Any) -> Iterator[Finding]:
    if isinstance(name, str) and name not in written.fuzzy_sets:
        yield path, _unknown(name, list(written.fuzzy_sets), "fuzzy set")


def _indicator(written: WrittenStrategy, path: Path, reference: Any) -> Iterator[Finding]:
    if not isinstance(reference, str) or reference in written.outputs or not written.indicators:
        return  # a strategy without indicators has that fault alone
    identifier = reference.partition(".")[0]
    if identifier not in written.indicators:
        yield path, _unknown(reference, written.outputs, "indicator")
    elif not written.is_unclear(reference):
        own = [output for output in written.outputs if output.partition(".")[0] == identifier]
        what = "has several outputs; name one of them" if reference == identifier else "has no such output; there is"
        yield path, f'indicator "{identifier}" {what}: {", ".join(own)}{suggestion(reference, own)}'


def _timeframes(written: WrittenStrategy, path: Path, names: Any) -> Iterator[Finding]:
    for position, name in enumerate(names if isinstance(names, list) and written.timeframes else []):
        if isinstance(name, str) and name not in written.timeframes:
            allowed = ", ".join(written.timeframes)
            yield (*path, position), f'"{name}" is not a timeframe of training_data; allowed: {allowed}'


def _unknown(name: str, known: list[str], what: str) -> str:
    return f'no {what} "{name}"; there are: {", ".join(known) or "none"}{suggestion(name, known)}'
