"""The figures by which operations are compared."""

import math

import pytest
from ktrdr.operations.v1.operations_pb2 import Operation
from ktrdr_client.cli.run_figures import best_run, figures, more_is_better
from ktrdr_client.metrics import Metrics, gather

from tests.support.finished_operations import completed, history, running_training


def metrics(**series: list[float]) -> Metrics:
    return gather("x", 1, [history(name, values) for name, values in series.items()])


def test_less_is_better_but_for_accuracies() -> None:
    run = figures(
        Operation(id="a"), metrics(val_loss=[3, 1, 2], val_accuracy=[0.3, 0.5, 0.4]), ["val_loss", "val_accuracy"]
    )
    assert (run.series["val_loss"].best, run.series["val_loss"].best_step, run.series["val_loss"].last) == (1, 2, 2)
    assert (run.series["val_accuracy"].best, run.series["val_accuracy"].best_step) == (0.5, 2)
    assert [more_is_better(name) for name in ("val_loss", "rows", "test_accuracy", "sharpe")] == [
        False,
        False,
        True,
        True,
    ]


def test_what_is_not_finite_is_never_the_best() -> None:
    run = figures(Operation(id="a"), metrics(loss=[math.nan, 2.0, math.inf, math.nan]), ["loss", "other"])
    assert list(run.series) == ["loss"]
    assert run.series["loss"].best == 2.0
    assert run.record()["series"]["loss"]["last"] == "nan"
    nothing = figures(Operation(id="b"), metrics(loss=[math.nan]), ["loss"])
    assert nothing.series["loss"].best is None
    assert best_run([run, nothing], "loss") is None


@pytest.mark.parametrize(("series", "winner"), [("loss", 1), ("accuracy", 0)])
def test_the_best_run_is_found(series: str, winner: int) -> None:
    runs = [
        figures(Operation(id="a"), metrics(loss=[1.0], accuracy=[0.9]), ["loss", "accuracy"]),
        figures(Operation(id="b"), metrics(loss=[0.5], accuracy=[0.8]), ["loss", "accuracy"]),
    ]
    assert best_run(runs, series) is runs[winner]


def test_the_record_has_what_is_known() -> None:
    ended = figures(completed(running_training("a")), metrics(), [])
    assert ended.record()["test_accuracy"] == pytest.approx(0.471)
    assert ended.record()["state"] == "COMPLETED"
    assert figures(running_training("b"), metrics(), []).record()["test_accuracy"] is None


def test_the_accuracy_of_signs_is_not_taken_for_that_of_classes() -> None:
    classes, signs = completed(running_training("a")), completed(running_training("b"))
    signs.training_result.test.samples = 475
    runs = [figures(operation, metrics(), []) for operation in (classes, signs, running_training("c"))]
    assert [run.accuracy_words for run in runs] == ["47.1 %", "sign 47.1 %", ""]
