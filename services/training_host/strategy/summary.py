"""A strategy in a few lines for people."""

from services.training_host.indicators.definition import references
from services.training_host.strategy.nn_input import FuzzyInput, RawInput
from services.training_host.strategy.strategy import Strategy


def summary(strategy: Strategy) -> list[str]:
    """Tell what a strategy trains on, what goes into the network, and what it answers."""
    data, training = strategy.training_data, strategy.training
    hidden = ", ".join(str(neurons) for neurons in strategy.model.architecture.hidden_layers)
    labels = ", ".join(f"{name} {value}" for name, value in training.labels if name != "source")
    return [
        f"{strategy.name} is valid.",
        f"  symbol     {strategy.symbol}",
        f"  timeframe  {strategy.timeframe}",
        f"  range      {data.start_date} to {data.end_date}, the first {strategy.warm_up_bars} bars as history",
        f"  inputs     {input_count(strategy)}",
        f"  network    {strategy.model.type}, hidden layers {hidden}",
        f"  classes    {', '.join(strategy.classes)} ({training.labels.source}: {labels})",
        f"  training   at most {training.epochs} epochs, {training.optimizer}, seed {training.seed}",
        *(f"  note: {note}" for note in _notes(strategy)),
    ]


def input_count(strategy: Strategy) -> int:
    """Return how many numbers go into the network."""
    return sum(
        len(strategy.fuzzy_sets[entry.fuzzy_set].labels) if isinstance(entry, FuzzyInput) else 1
        for entry in strategy.nn_inputs
    )


def _notes(strategy: Strategy) -> list[str]:
    """Name what is defined and goes nowhere: allowed while trying things out, but worth knowing."""
    fuzzy = {entry.fuzzy_set for entry in strategy.nn_inputs if isinstance(entry, FuzzyInput)}
    raw = {entry.raw_indicator for entry in strategy.nn_inputs if isinstance(entry, RawInput)}
    sources = raw | {strategy.fuzzy_sets[name].indicator for name in fuzzy}
    unused = [f'fuzzy set "{name}" is not in nn_inputs' for name in strategy.fuzzy_sets if name not in fuzzy]
    unused += [
        f'indicator "{name}" goes into no input'
        for name, indicator in strategy.indicators.items()
        if not sources & set(references(name, indicator.outputs))
    ]
    return unused
