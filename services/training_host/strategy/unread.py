"""What a strategy defines and nothing reads: an error, because its author thinks that it counts."""

from collections.abc import Iterator

from services.training_host.strategy.path import Finding
from services.training_host.strategy.written import WrittenStrategy


def unread_parts(written: WrittenStrategy) -> Iterator[Finding]:
    """Find indicators, fuzzy sets and timeframes that go into no input, and fuzzy sets without labels."""
    for name, fuzzy_set in written.fuzzy_sets.items():
        if isinstance(fuzzy_set, dict) and not written.labels(name) and fuzzy_set.get("preset") is None:
            yield ("fuzzy_sets", name), "has no labels; add one such as `low: [0, 20, 40]`, or a preset"
    if not written.inputs:
        return  # a fault of its own; what would be read is not known
    read_fuzzy_sets, read_indicators = written.read_fuzzy_sets(), written.read_indicators()
    for name in written.fuzzy_sets:
        if name not in read_fuzzy_sets:
            yield ("fuzzy_sets", name), "nothing reads it; name it in nn_inputs, or remove it"
    for name in written.indicators:
        if name not in read_indicators:
            yield ("indicators", name), "no input reads it; use it in nn_inputs, also by a fuzzy set, or remove it"
    yield from _timeframes(written)


def _timeframes(written: WrittenStrategy) -> Iterator[Finding]:
    several = written.at("training_data", "timeframes", "list")
    if not isinstance(several, list) or not written.timeframes:
        return
    read = {name for _, entry in written.entries() for name in written.timeframes_of(entry)}
    for position, name in enumerate(several):
        # The bars of the shortest are the samples, whatever the inputs read.
        if name not in read and name != written.timeframes[0]:
            path = ("training_data", "timeframes", "list", position)
            yield path, f'no input reads "{name}"; name it in the timeframes of an input, or remove it'
