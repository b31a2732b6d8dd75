"""A fold's network, judged."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.training_host.backtest.calculation import backtest
from services.training_host.backtest.report import BacktestReport
from services.training_host.backtest.span import decision_rows, span_rows
from services.training_host.dataset import Dataset, Fold
from services.training_host.evaluation.classification import evaluate_classes
from services.training_host.evaluation.decisions import directions
from services.training_host.evaluation.predictions import BACKTEST
from services.training_host.evaluation.regression import evaluate_returns
from services.training_host.evaluation.report import Evaluation
from services.training_host.loop.history import TrainingHistory
from services.training_host.split.chronological import PARTS
from services.training_host.strategy.network import ClassDecisions
from services.training_host.strategy.strategy import Strategy


@dataclass(frozen=True, eq=False)
class FoldOutcome:
    """What the training of a fold came to.

    Attributes:
        fold: The fold.
        history: The curve.
        predictions: What the network answers, as of `predict_parts`.
        evaluations: The network on each part, by its name.
        backtest: Its decisions over the test's time.
    """

    fold: Fold
    history: TrainingHistory
    predictions: dict[str, NDArray[np.float32]]
    evaluations: dict[str, Evaluation]
    backtest: BacktestReport


def judge(
    strategy: Strategy,
    dataset: Dataset,
    fold: Fold,
    history: TrainingHistory,
    predictions: dict[str, NDArray[np.float32]],
) -> FoldOutcome:
    """Compare a network's answers with the labels, and follow its decisions.

    Args:
        strategy: What the answers mean.
        dataset: Labels and bars.
        fold: Whose network answered.
        history: How it was trained.
        predictions: As of `predict_parts`.
    """
    evaluations = {name: _evaluate(strategy, dataset, [(fold, predictions[name])], name) for name in PARTS}
    rows, positions = decided_positions(strategy, dataset, fold, predictions)
    report = backtest(dataset, rows, positions, cost=strategy.backtest.cost)
    return FoldOutcome(fold, history, predictions, evaluations, report)


def pooled_test(strategy: Strategy, dataset: Dataset, outcomes: Sequence[FoldOutcome]) -> Evaluation:
    """Judge the test parts of all folds together: each sample by the network of its fold."""
    answered = [(outcome.fold, outcome.predictions["test"]) for outcome in outcomes]
    return _evaluate(strategy, dataset, answered, "test")


def pooled_backtest(strategy: Strategy, dataset: Dataset, outcomes: Sequence[FoldOutcome]) -> BacktestReport:
    """Follow the decisions of all folds as one strategy, whose network is replaced where the next fold's test begins.

    A position that both networks hold is kept: it is not left and entered anew at the border.
    """
    each = [decided_positions(strategy, dataset, outcome.fold, outcome.predictions) for outcome in outcomes]
    rows = np.concatenate([rows for rows, _ in each])
    positions = np.concatenate([positions for _, positions in each])
    order = np.argsort(rows)
    return backtest(dataset, rows[order], positions[order], cost=strategy.backtest.cost)


def _evaluate(
    strategy: Strategy, dataset: Dataset, answered: Sequence[tuple[Fold, NDArray[np.float32]]], part: str
) -> Evaluation:
    rows = np.concatenate([fold.split.part(part) for fold, _ in answered])
    predictions = np.concatenate([predictions for _, predictions in answered])
    decisions, labels = strategy.decisions, dataset.labels
    if isinstance(decisions, ClassDecisions):
        return evaluate_classes(predictions, labels.classes[rows], names=strategy.classes, decisions=decisions)
    means = [np.full(len(predictions), labels.returns[fold.split.train].mean()) for fold, predictions in answered]
    return evaluate_returns(predictions, labels.returns[rows], training_mean=np.concatenate(means), decisions=decisions)


def decided_positions(
    strategy: Strategy, dataset: Dataset, fold: Fold, predictions: dict[str, NDArray[np.float32]]
) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Return the rows of the test's time, and the position that is decided at each: none where there are no inputs."""
    rows = span_rows(dataset, fold)
    positions = np.zeros(len(rows), np.int8)
    at = np.searchsorted(rows, decision_rows(dataset, fold))
    positions[at] = directions(
        predictions[BACKTEST], strategy.decisions, classes=strategy.classes, short=strategy.backtest.short
    )
    return rows, positions
