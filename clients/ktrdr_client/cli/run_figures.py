"""The figures by which operations are compared."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ktrdr.operations.v1.operations_pb2 import Operation
from ktrdr.operations.v1.trends_pb2 import SEVERITY_INFO

from ktrdr_client.cli.words import is_regression, percent, run_time
from ktrdr_client.metrics import MetricColumns, Metrics
from ktrdr_client.states import state_name
from ktrdr_client.verdicts import verdict_word


@dataclass(frozen=True)
class SeriesFigures:
    """One series of one operation in a few numbers."""

    last: float
    best: float | None
    """The lowest finite value, or the highest where more is better; None if there is none."""
    best_step: int | None


@dataclass(frozen=True)
class RunFigures:
    """One operation in a few numbers."""

    operation: Operation
    series: Mapping[str, SeriesFigures] = field(default_factory=dict)

    @property
    def test_accuracy(self) -> float | None:
        """Share of right answers on the part of the data that the training never saw; None before its end."""
        if not self.operation.HasField("training_result"):
            return None
        return self.operation.training_result.test_accuracy

    @property
    def accuracy_words(self) -> str:
        """That as "35.2 %", or as "sign 54.7 %" where returns were learnt: no figure to compare with the other."""
        if self.test_accuracy is None:
            return ""
        sign = "sign " if is_regression(self.operation.training_result.test) else ""
        return sign + percent(self.test_accuracy, 1)

    @property
    def verdicts(self) -> list[str]:
        """Words for what holds in its metrics now."""
        return [verdict_word(verdict.kind) for verdict in self.operation.verdicts if verdict.active]

    @property
    def warnings(self) -> list[str]:
        """Words for those of the verdicts that should be looked at."""
        found = [each for each in self.operation.verdicts if each.active and each.severity != SEVERITY_INFO]
        return [verdict_word(verdict.kind) for verdict in found]

    def record(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        duration = run_time(self.operation)
        return {
            "id": self.operation.id,
            "display_name": self.operation.display_name,
            "state": state_name(self.operation),
            "attempt": self.operation.attempt,
            "run_seconds": None if duration is None else duration.total_seconds(),
            "test_accuracy": self.test_accuracy,
            "verdicts": self.verdicts,
            "series": {
                name: {
                    "last": each.last if math.isfinite(each.last) else str(each.last),
                    "best": each.best,
                    "best_step": each.best_step,
                }
                for name, each in self.series.items()
            },
        }


def more_is_better(series: str) -> bool:
    """Say whether a series gets better by growing: accuracies and scores do, losses and errors do not."""
    return series.endswith(("accuracy", "acc", "f1", "precision", "recall", "auc", "score", "sharpe"))


def figures(operation: Operation, metrics: Metrics, names: Iterable[str]) -> RunFigures:
    """Return the figures of an operation for those series that it has."""
    return RunFigures(operation, {name: _of(metrics[name]) for name in names if len(metrics.get(name, ()))})


def best_run(runs: Sequence[RunFigures], series: str) -> RunFigures | None:
    """Return the run with the best value of a series; None where fewer than two have one."""
    found = [(each.best, run) for run in runs if (each := run.series.get(series)) and each.best is not None]
    if len(found) < 2:
        return None
    choose = max if more_is_better(series) else min
    return choose(found, key=lambda pair: pair[0])[1]


def _of(column: MetricColumns) -> SeriesFigures:
    finite = [index for index, value in enumerate(column.values) if math.isfinite(value)]
    choose = max if more_is_better(column.name) else min
    best = choose(finite, key=lambda index: column.values[index], default=None)
    return SeriesFigures(
        last=column.values[-1],
        best=None if best is None else column.values[best],
        best_step=None if best is None else column.steps[best],
    )
