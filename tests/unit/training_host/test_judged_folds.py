"""Predictions of a fold and of all folds, judged."""

import numpy as np
import pytest
import torch

from services.training_host.backtest.span import decision_rows, span_rows
from services.training_host.dataset import prepare
from services.training_host.evaluation.judgement import decided_positions, judge, pooled_backtest, pooled_test
from services.training_host.evaluation.predictions import predict_parts
from services.training_host.evaluation.report import ClassEvaluation, ReturnEvaluation
from services.training_host.split.chronological import PARTS
from tests.support.no_progress import NoProgress
from tests.support.small_models import (
    GRU,
    LSTM,
    REGRESSION,
    WALK_FORWARD,
    Small,
    history,
    loaded_of_daily,
    small,
)
from tests.support.trainings import with_later_bars_scaled

CPU = torch.device("cpu")


@pytest.mark.parametrize("overrides", [{}, GRU, LSTM, REGRESSION], ids=["mlp", "gru", "lstm", "regression"])
def test_predictions_of_all_parts_are_those_of_the_network(overrides: dict[str, str]) -> None:
    made = small(overrides)
    (fold,) = made.dataset.folds
    model = made.network().train()
    predictions = predict_parts(made.strategy, made.dataset, fold, model, CPU)
    assert not model.training
    inputs, length = made.dataset.inputs(fold), made.dataset.sequence_length
    for name, rows in [
        *((part, fold.split.part(part)) for part in PARTS),
        ("backtest", decision_rows(made.dataset, fold)),
    ]:
        assert predictions[name].shape == (len(rows), made.strategy.outputs)
        assert predictions[name].dtype == np.float32
        for index in (0, len(rows) // 2, len(rows) - 1):
            window = inputs[rows[index] - length + 1 : rows[index] + 1]
            with torch.inference_mode():
                output = model(torch.from_numpy(window if length == 1 else window[None])).double()
            answer = output * fold.target_scale if made.strategy.is_regression else output.softmax(1)
            np.testing.assert_allclose(predictions[name][index], answer.numpy()[0], rtol=1e-4, atol=1e-7)


def test_bars_that_are_no_samples_are_decided_on_as_well() -> None:
    made = small()
    (fold,) = made.dataset.folds
    rows = decision_rows(made.dataset, fold)
    assert set(fold.split.test) < set(rows)
    # The last bars of each symbol have no label yet, and each but the very last is followed by a return.
    horizon = 3
    assert len(rows) == len(fold.split.test) + len(made.strategy.symbols) * (horizon - 1)
    predictions = predict_parts(made.strategy, made.dataset, fold, made.network(), CPU)
    at = np.searchsorted(rows, fold.split.test)
    np.testing.assert_array_equal(predictions["backtest"][at], predictions["test"])


def test_judging_is_pure_and_complete() -> None:
    made = small()
    (outcome,) = made.outcomes()
    again = judge(made.strategy, made.dataset, outcome.fold, history(0.5), outcome.predictions)
    assert again.evaluations == outcome.evaluations
    assert again.backtest == outcome.backtest
    assert list(outcome.evaluations) == list(PARTS)
    test = outcome.evaluations["test"]
    assert isinstance(test, ClassEvaluation)
    answers = outcome.predictions["test"].argmax(axis=1)
    labels = made.dataset.labels.classes[outcome.fold.split.test]
    assert (test.samples, test.accuracy) == (len(labels), (answers == labels).mean())
    assert [score.name for score in test.classes] == ["down", "flat", "up"]


def test_a_regression_is_compared_with_the_mean_of_its_own_training_part() -> None:
    made = small(REGRESSION)
    (outcome,) = made.outcomes()
    test = outcome.evaluations["test"]
    assert isinstance(test, ReturnEvaluation)
    returns = made.dataset.labels.returns
    errors = outcome.predictions["test"][:, 0].astype(float) - returns[outcome.fold.split.test]
    mean = returns[outcome.fold.split.train].mean()
    explainable = ((returns[outcome.fold.split.test] - mean) ** 2).sum()
    assert test.r_squared == pytest.approx(1 - (errors**2).sum() / explainable)


@pytest.mark.parametrize("overrides", [WALK_FORWARD, WALK_FORWARD | REGRESSION], ids=["classes", "returns"])
def test_all_folds_together_are_the_sum_of_their_samples(overrides: dict[str, str]) -> None:
    made = small(overrides, bars=480)
    outcomes = made.outcomes()
    assert len(outcomes) == 3
    together = pooled_test(made.strategy, made.dataset, outcomes)
    each = [outcome.evaluations["test"] for outcome in outcomes]
    assert together.samples == sum(one.samples for one in each)
    assert together.accuracy == pytest.approx(sum(one.accuracy * one.samples for one in each) / together.samples)
    rows = np.concatenate([span_rows(made.dataset, outcome.fold) for outcome in outcomes])
    assert len(np.unique(rows)) == len(rows)
    followed = pooled_backtest(made.strategy, made.dataset, outcomes)
    assert followed.bars == len(rows) == sum(outcome.backtest.bars for outcome in outcomes)
    assert (followed.first_time, followed.last_time) == (
        outcomes[0].backtest.first_time,
        outcomes[-1].backtest.last_time,
    )
    # Positions that are held over a border are not left and entered: what was earned is the same, and less is paid.
    earned = followed.decisions.total_return + followed.costs
    assert earned == pytest.approx(
        sum(outcome.backtest.decisions.total_return + outcome.backtest.costs for outcome in outcomes)
    )
    assert followed.costs <= sum(outcome.backtest.costs for outcome in outcomes)


def test_one_fold_is_all_folds() -> None:
    made = small()
    outcomes = made.outcomes()
    assert pooled_test(made.strategy, made.dataset, outcomes) == outcomes[0].evaluations["test"]
    assert pooled_backtest(made.strategy, made.dataset, outcomes) == outcomes[0].backtest


@pytest.mark.parametrize("overrides", [{}, GRU], ids=["mlp", "gru"])
def test_later_bars_change_no_decision_before(overrides: dict[str, str]) -> None:
    made = small(overrides)
    (fold,) = made.dataset.folds
    last = 308
    daily = {symbol: with_later_bars_scaled(bars, last, 1.3) for symbol, bars in made.dataset.bars.items()}
    loaded = loaded_of_daily(made.strategy, daily)
    later = Small(made.strategy, loaded, prepare(made.strategy, loaded, NoProgress()))
    rows, before = decided_positions(made.strategy, made.dataset, fold, made.outcome(fold).predictions)
    same_rows, after = decided_positions(made.strategy, later.dataset, fold, later.outcome(fold).predictions)
    np.testing.assert_array_equal(rows, same_rows)
    known = np.concatenate([np.arange(len(bars)) <= last for bars in daily.values()])[rows]
    assert 20 < known.sum() < len(rows)
    np.testing.assert_array_equal(before[known], after[known])
    assert (before[~known] != after[~known]).any()
