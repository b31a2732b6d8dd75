"""The page about a model for people."""

from collections.abc import Sequence
from typing import Final

from services.training_host.artifacts.card.about import data_lines, input_lines, network_lines, split_lines
from services.training_host.artifacts.card.reloading import SNIPPET
from services.training_host.artifacts.card.results import backtest_lines, evaluation_lines, fold_lines
from services.training_host.bars.loaded import LoadedBars
from services.training_host.dataset import Dataset
from services.training_host.evaluation.judgement import FoldOutcome, pooled_backtest, pooled_test
from services.training_host.strategy.strategy import Strategy

_FILES: Final = {
    "model.safetensors": "the weights",
    "network.json": "the layers and the names of their weights",
    "features.json": "the way from bars to inputs: indicators, memberships, scaling",
    "strategy.yaml": "the strategy as it was trained",
    "metrics.json": "the curve, the evaluations, the folds, the backtest",
    "predictions.parquet": "what was answered for each bar, and the position that followed",
    "metadata.json": "data, seed and libraries",
    "training.json": "session, machine, times, where the bars came from: what two equal trainings do not share",
}
_LIMITS: Final = [
    "The best epoch was chosen by the validation part: expect less of new bars than its figures say.",
    "The test part was not seen while training. Once it has chosen between strategies, it has been.",
    "One seed, one stretch of history, the symbols above: other ones may come out differently.",
    "Instruments that are traded today have survived; a backtest over them looks better than it would have been.",
    "Research, no advice. Nothing here places orders.",
]


def model_card(strategy: Strategy, loaded: LoadedBars, dataset: Dataset, outcomes: Sequence[FoldOutcome]) -> str:
    """Return the page as Markdown. Equal trainings have the same one.

    Args:
        strategy: What was trained.
        loaded: On which bars.
        dataset: What was made of them.
        outcomes: Of all folds; the last one's network is kept.
    """
    test = pooled_test(strategy, dataset, outcomes)
    followed = pooled_backtest(strategy, dataset, outcomes)
    lines = [f"# {strategy.name}", ""]
    if strategy.description:
        lines += [strategy.description.strip(), ""]
    lines += network_lines(strategy)
    lines += ["## Results", "", *evaluation_lines(outcomes[-1].evaluations, test), *fold_lines(outcomes)]
    lines += ["## Backtest of the decisions on the test part", ""]
    lines += backtest_lines(followed, cost=strategy.backtest.cost)
    lines += ["## Data", "", *data_lines(loaded), *split_lines(strategy, dataset)]
    lines += ["## Inputs", "", *input_lines(dataset)]
    lines += ["## Reload it without KTRDR", ""]
    lines += ["`features.json` tells how bars become inputs. With these:", "", "```python", SNIPPET.strip(), "```", ""]
    lines += ["## Limits", "", *(f"- {limit}" for limit in _LIMITS), ""]
    lines += ["## Files", "", *(f"- `{name}`: {content}" for name, content in _FILES.items())]
    return "\n".join(lines) + "\n"
