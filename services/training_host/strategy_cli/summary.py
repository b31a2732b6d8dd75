"""A strategy in a few lines: what it trains on, what goes into the network, and what comes out."""

import textwrap
from typing import Any

from services.training_host.features.column import feature_columns
from services.training_host.strategy.evaluation import WalkForward
from services.training_host.strategy.network import ReturnDecisions
from services.training_host.strategy.nn_input import FuzzyInput
from services.training_host.strategy.strategy import Strategy

_WIDEST = 100
_INDENT = 14


def summary(strategy: Strategy) -> dict[str, Any]:
    """Return what will be trained, as JSON values."""
    data, network, training = strategy.training_data, strategy.model, strategy.training
    return {
        "name": strategy.name,
        "symbols": list(strategy.symbols),
        "timeframes": list(strategy.timeframes),
        "base_timeframe": strategy.base_timeframe,
        "start_date": data.start_date.isoformat(),
        "end_date": data.end_date.isoformat(),
        "history_bars": strategy.warm_up_bars,
        "input_count": len(columns := feature_columns(strategy)),
        "inputs": [column.name for column in columns],
        "network": {
            "type": network.type,
            "hidden_layers": list(network.architecture.hidden_layers),
            "sequence_length": network.sequence_length,
            "outputs": strategy.outputs,
        },
        "output_format": strategy.decisions.output_format,
        "decisions": strategy.decisions.model_dump(mode="json", exclude={"output_format"}),
        "classes": list(strategy.classes),
        "labels": training.labels.model_dump(mode="json", exclude_none=True),
        "evaluation": strategy.evaluation.model_dump(mode="json"),
        "data_split": training.data_split.model_dump(mode="json"),
        "backtest": strategy.backtest.model_dump(mode="json"),
        "training": {
            "epochs": training.epochs,
            "batch_size": training.batch_size,
            "loss": training.loss.type,
            "optimizer": training.optimizer,
            "seed": training.seed,
            "device": training.device,
        },
        "notes": level_notes(strategy),
    }


def summary_lines(strategy: Strategy, width: int = _WIDEST) -> list[str]:
    """Return the summary as lines for people.

    Args:
        strategy: What is told.
        width: Columns that a line may have, if there are so many.
    """
    data, training = strategy.training_data, strategy.training
    columns = [column.name for column in feature_columns(strategy)]
    timeframes = ", ".join(strategy.timeframes)
    several = len(strategy.timeframes) > 1
    labels = ", ".join(f"{name} {value}" for name, value in training.labels if name != "source" and value is not None)
    learning = f"{training.loss.type}, {training.optimizer}, seed {training.seed}"
    answer = f"classes {', '.join(strategy.classes)}" if strategy.classes else "the return itself"
    facts = {
        "symbols": ", ".join(strategy.symbols),
        "timeframes": f"{timeframes}; a sample for each bar of {strategy.base_timeframe}" if several else timeframes,
        "range": f"{data.start_date} to {data.end_date}, the first {strategy.warm_up_bars} bars as history",
        "inputs": f"{len(columns)}: {', '.join(columns)}",
        "network": _network(strategy),
        "labels": f"{training.labels.source} ({labels}): {answer}",
        "decisions": _decisions(strategy),
        "evaluation": _evaluation(strategy),
        "training": f"at most {training.epochs} epochs, {learning}",
    }
    notes = [("note", note) for note in level_notes(strategy)]
    return [line for name, text in [*facts.items(), *notes] for line in _wrapped(name, text, min(width, _WIDEST))]


def level_notes(strategy: Strategy) -> list[str]:
    """Name the inputs that follow the level of prices or volumes: allowed, but seldom what is meant.

    What a price of 20 says is another thing when the level is 600, later or of another symbol.
    """
    notes: list[str] = []
    for entry in strategy.nn_inputs:
        if isinstance(entry, FuzzyInput):
            source = strategy.fuzzy_sets[entry.fuzzy_set].indicator
            text = f'fuzzy set "{entry.fuzzy_set}" is made from {source}, which follows the level of prices or volumes'
        else:
            source = entry.raw_indicator
            text = f'raw input "{source}" follows the level of prices or volumes'
        if not _is_scale_free(strategy, source):
            notes.append(f"{text}: it means something else when that level changes")
    return notes


def _is_scale_free(strategy: Strategy, reference: str) -> bool:
    identifier, _, output = reference.partition(".")
    indicator = strategy.indicators[identifier]
    return (output or indicator.outputs[0]) in indicator.scale_free


def _network(strategy: Strategy) -> str:
    hidden = ", ".join(str(units) for units in strategy.model.architecture.hidden_layers)
    length = strategy.model.sequence_length
    bars = f", reads {length} bars for each answer" if length > 1 else ""
    return f"{strategy.model.type}, hidden layers {hidden}{bars}"


def _decisions(strategy: Strategy) -> str:
    """Return "from a probability of 0.55 on, long and short, each trade costs 0.05 %"."""
    decisions = strategy.decisions
    if isinstance(decisions, ReturnDecisions):
        reached = f"from an expected return of {100 * decisions.return_threshold:g} % on"
    else:
        reached = f"from a probability of {decisions.confidence_threshold:g} on"
    sides = "long and short" if strategy.backtest.short else "long only"
    return f"{reached}, {sides}, each trade costs {100 * strategy.backtest.cost:g} %"


def _evaluation(strategy: Strategy) -> str:
    evaluation, split = strategy.evaluation, strategy.training.data_split
    embargo = f", embargo {evaluation.embargo} bars" if evaluation.embargo else ""
    if isinstance(evaluation, WalkForward):
        shares = f"{split.train:.0%} train, {split.validation:.0%} validation of what is before"
        return f"walk forward, {evaluation.folds} folds, each with {shares}{embargo}"
    return f"holdout, {split.train:.0%} train, {split.validation:.0%} validation, {split.test:.0%} test{embargo}"


def _wrapped(name: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(
        f"  {name:<{_INDENT - 2}}{text}",
        width,
        subsequent_indent=" " * _INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
