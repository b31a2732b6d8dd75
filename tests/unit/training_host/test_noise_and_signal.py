"""Pure noise scores like chance, and a signal that was planted is found: from bars to the judgement."""

import numpy as np
import pytest
import torch

from services.training_host.bars.series import Bars
from services.training_host.dataset import prepare
from services.training_host.evaluation.judgement import FoldOutcome, judge
from services.training_host.evaluation.predictions import predict_parts
from services.training_host.evaluation.report import ClassEvaluation, ReturnEvaluation
from services.training_host.loop.determinism import make_deterministic
from services.training_host.loop.objective import build_objective
from services.training_host.loop.samples import Samples
from services.training_host.loop.training import TrainingLoop
from services.training_host.model.network import build_network
from services.training_host.strategy.check import load_strategy
from tests.support.no_progress import NoProgress
from tests.support.small_models import loaded_of_daily
from tests.support.trainings import DAY_NS

TEXT = """
name: search
version: "3.0"
training_data:
  symbols: {mode: single, symbol: AAA}
  timeframes: {mode: single, timeframe: 1d}
  start_date: "1970-01-01"
  end_date: "1990-01-01"
indicators:
  power: {type: bop}
  natr_5: {type: natr, period: 5}
fuzzy_sets:
  pressure: {indicator: power, preset: {terms: 3, range: [-0.7, 0.7]}}
nn_inputs:
  - {fuzzy_set: pressure}
  - {raw_indicator: natr_5, normalization: zscore}
model: {type: mlp, architecture: {hidden_layers: [8]}}
decisions: {output_format: classification, confidence_threshold: 0.6}
training:
  labels: {source: forward_return, horizon: 1, threshold: 0.00001}
  data_split: {train: 0.6, validation: 0.15, test: 0.25}
  epochs: 12
  batch_size: 64
  learning_rate: 0.01
  seed: 11
  device: cpu
backtest: {cost: 0.0}
"""
GRU = {"model": "{type: gru, architecture: {hidden_layers: [8], sequence_length: 4}}"}
RETURNS = {
    "decisions": "{output_format: regression, return_threshold: 0.0}",
    "training.labels": "{source: forward_return, horizon: 1}",
    "training.loss": "huber",
}
BARS = 1600
STRENGTH = 0.85


def market(*, lag: int | None, seed: int = 21) -> Bars:
    """Return bars whose returns are independent of each other.

    With a lag, the direction of a bar's body tells, with the chance STRENGTH, that of its move `lag` bars later.
    Without one it tells nothing.
    """
    random = np.random.default_rng(seed)
    body = random.choice([-1, 1], BARS)
    direction = random.choice([-1, 1], BARS)
    if lag is not None:
        told = np.where(random.random(BARS - lag) < STRENGTH, 1, -1)
        direction[lag:] = body[:-lag] * told
    close = 100 * np.exp(np.cumsum(direction * np.abs(random.normal(0, 0.01, BARS))))
    opening = close * (1 - body * random.uniform(0.001, 0.006, BARS))
    high, low = np.maximum(opening, close) * 1.001, np.minimum(opening, close) * 0.999
    return Bars("AAA", "1d", np.arange(BARS) * DAY_NS, opening, high, low, close, np.ones(BARS))


def trained(bars: Bars, overrides: dict[str, str]) -> FoldOutcome:
    strategy = load_strategy(TEXT, overrides)
    dataset = prepare(strategy, loaded_of_daily(strategy, {"AAA": bars}), NoProgress())
    (fold,) = dataset.folds
    rules = strategy.training
    make_deterministic(rules.seed, threads=1)
    model = build_network(strategy.model, inputs=len(dataset.columns), outputs=strategy.outputs, seed=rules.seed)
    inputs, targets = torch.from_numpy(dataset.inputs(fold)), dataset.targets(fold)
    train, validation = (
        Samples.of_part(inputs, rows=rows, targets=targets, sequence_length=dataset.sequence_length)
        for rows in (fold.split.train, fold.split.validation)
    )
    objective = build_objective(strategy, targets[fold.split.train], torch.device("cpu"))
    loop = TrainingLoop(
        model,
        training_part=train,
        validation_part=validation,
        objective=objective,
        rules=rules,
        progress=NoProgress(),
    )
    history = loop.run()
    return judge(strategy, dataset, fold, history, predict_parts(strategy, dataset, fold, model, torch.device("cpu")))


@pytest.mark.parametrize("overrides", [{}, GRU], ids=["mlp", "gru"])
def test_noise_scores_like_chance(overrides: dict[str, str]) -> None:
    test = trained(market(lag=None), overrides).evaluations["test"]
    assert isinstance(test, ClassEvaluation)
    assert test.samples > 350
    truths = np.array(test.confusion).sum(axis=1) / test.samples
    answers = np.array(test.confusion).sum(axis=0) / test.samples
    # Answers that know nothing are right as often as the two shares meet.
    chance = float(truths @ answers)
    error = (chance * (1 - chance) / test.samples) ** 0.5
    assert abs(test.accuracy - chance) < 3 * error
    assert test.accuracy < test.majority_accuracy + 3 * error
    assert abs(test.balanced_accuracy - 0.5) < 3 * error


@pytest.mark.parametrize(("overrides", "lag"), [({}, 1), (GRU, 1), (GRU, 3)], ids=["mlp", "gru", "gru-three-bars-ago"])
def test_a_planted_signal_is_found(overrides: dict[str, str], lag: int) -> None:
    outcome = trained(market(lag=lag), overrides)
    test = outcome.evaluations["test"]
    assert isinstance(test, ClassEvaluation)
    error = (STRENGTH * (1 - STRENGTH) / test.samples) ** 0.5
    assert abs(test.accuracy - STRENGTH) < 4 * error
    assert test.accuracy > test.majority_accuracy + 0.2
    assert test.balanced_accuracy > 0.75
    report = outcome.backtest
    assert report.decisions.total_return > 10 * abs(report.hold.total_return)
    assert report.decisions.sharpe_ratio is not None
    assert report.decisions.sharpe_ratio > 5


def test_what_only_older_bars_tell_is_hidden_from_a_network_that_sees_one_bar() -> None:
    test = trained(market(lag=3), {}).evaluations["test"]
    assert abs(test.accuracy - 0.5) < 3 * (0.25 / test.samples) ** 0.5


@pytest.mark.parametrize("lag", [None, 1], ids=["noise", "signal"])
def test_a_regression_explains_a_signal_and_no_noise(lag: int | None) -> None:
    test = trained(market(lag=lag), RETURNS).evaluations["test"]
    assert isinstance(test, ReturnEvaluation)
    assert test.r_squared is not None
    if lag is None:
        assert test.r_squared < 0.02
        assert abs(test.accuracy - 0.5) < 3 * (0.25 / test.samples) ** 0.5
    else:
        # E|z| · (2 · STRENGTH - 1) is the mean move in either direction: (2/π) · 0.7² of the variance.
        assert test.r_squared == pytest.approx(2 / np.pi * 0.49, abs=0.1)
        assert test.accuracy > 0.75
