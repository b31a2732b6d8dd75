"""How the training went and what the network is worth, as numbers."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from services.training_host.backtest.report import WHAT_IT_IS, BacktestReport
from services.training_host.dataset import Dataset
from services.training_host.evaluation.judgement import FoldOutcome, pooled_backtest, pooled_test
from services.training_host.instants import utc
from services.training_host.split.chronological import PARTS
from services.training_host.strategy.strategy import Strategy

_WALL_TIME_ENDINGS: Final = ("_seconds", "_per_second")


def metrics(strategy: Strategy, dataset: Dataset, outcomes: Sequence[FoldOutcome]) -> dict[str, Any]:
    """Describe each fold, and all of them together, without the times that no two trainings share."""
    return {
        "classes": list(strategy.classes),
        "decisions": strategy.decisions.model_dump(),
        "test": asdict(pooled_test(strategy, dataset, outcomes)),
        "backtest_rule": WHAT_IT_IS,
        "backtest": _backtest(pooled_backtest(strategy, dataset, outcomes)),
        "folds": [_fold(dataset, outcome) for outcome in outcomes],
    }


def wall_times(outcomes: Sequence[FoldOutcome]) -> list[dict[str, Any]]:
    """Return the times that each fold's epochs took, by the metric's name."""
    return [
        {"fold": outcome.fold.number}
        | {
            name: [epoch[name] for epoch in outcome.history.epochs if name in epoch]
            for name in dict.fromkeys(name for epoch in outcome.history.epochs for name in epoch)
            if _is_wall_time(name)
        }
        for outcome in outcomes
    ]


def _fold(dataset: Dataset, outcome: FoldOutcome) -> dict[str, Any]:
    fold, history = outcome.fold, outcome.history
    return {
        "number": fold.number,
        "samples": {name: len(fold.split.part(name)) for name in PARTS} | {"purged": len(fold.split.purged)},
        "test_times": [utc(int(dataset.times[row])).isoformat() for row in fold.split.test[[0, -1]]],
        "epochs": [
            {name: value for name, value in epoch.items() if not _is_wall_time(name)} for epoch in history.epochs
        ],
        "best_epoch": history.best_epoch,
        "best_validation_loss": history.best_validation_loss,
        "stopped_early": history.stopped_early,
        "parts": {name: asdict(evaluation) for name, evaluation in outcome.evaluations.items()},
        "backtest": _backtest(outcome.backtest),
    }


def _backtest(report: BacktestReport) -> dict[str, Any]:
    times = {"first_time": report.first_time.isoformat(), "last_time": report.last_time.isoformat()}
    return asdict(report) | times


def _is_wall_time(name: str) -> bool:
    return name.endswith(_WALL_TIME_ENDINGS)
