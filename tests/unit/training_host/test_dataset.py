"""Samples of several symbols: their inputs, labels and parts belong together."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.errors import ServiceError, reason_name
from services.training_host.bars.closing import close_times
from services.training_host.dataset import Dataset, Fold, prepare
from services.training_host.features.scaler import Scaler
from services.training_host.labels.series import UNLABELLED
from services.training_host.labels.source import make_labels
from services.training_host.split.chronological import PARTS
from services.training_host.split.least import LEAST_SAMPLES
from services.training_host.strategy.strategy import Strategy
from tests.support.datasets import (
    KeptPhases,
    Series,
    dataset_of,
    loaded,
    random_market,
    small_strategy,
    with_longer_bars,
)
from tests.support.trainings import random_bars, with_later_bars_scaled

SYMBOLS = ["AAPL", "MSFT", "IBM"]
TRIPLE_BARRIER = {"source": "triple_barrier", "upper_atr": 1.5, "lower_atr": 1.5, "max_bars": 6, "atr_period": 5}
FAR = {"source": "forward_return", "horizon": 20, "threshold": 0.02}
ZIGZAG = {"source": "zigzag", "threshold": 0.05}
WALK_FORWARD: dict[str, Any] = {
    "training": {"data_split": {"train": 0.8, "validation": 0.2}},
    "evaluation": {"mode": "walk_forward", "folds": 3, "embargo": 4},
}


def regression() -> dict[str, Any]:
    return {
        "decisions": {"output_format": "regression"},
        "training": {"labels": {"source": "forward_return", "horizon": 3}, "loss": "huber"},
    }


def several(**parts: Any) -> tuple[Strategy, Series, Dataset]:
    strategy = small_strategy(symbols=SYMBOLS, timeframes=["1d", "1w"], **parts)
    market = random_market(strategy, 600)
    return strategy, market, dataset_of(strategy, market)


def parts_of(fold: Fold) -> dict[str, set[int]]:
    return {name: set(fold.split.part(name).tolist()) for name in (*PARTS, "purged")}


@pytest.mark.parametrize(
    "labels", [TRIPLE_BARRIER, ZIGZAG, {"source": "forward_return", "horizon": 4, "threshold": 0.02}]
)
def test_each_row_has_the_inputs_and_the_label_of_its_own_symbol(labels: dict[str, Any]) -> None:
    strategy, market, dataset = several(training={"labels": labels})
    assert list(dataset.symbol_rows) == SYMBOLS
    assert dataset.matrix.shape == (600 * 3, 4)
    for symbol, rows in dataset.symbol_rows.items():
        one = small_strategy(symbols=[symbol], timeframes=["1d", "1w"], training={"labels": labels})
        alone = dataset_of(one, {key: bars for key, bars in market.items() if key[0] == symbol})
        bars = market[symbol, "1d"]
        np.testing.assert_array_equal(dataset.matrix[rows], alone.matrix)
        np.testing.assert_array_equal(dataset.times[rows], bars.times)
        np.testing.assert_array_equal(dataset.close_times[rows], close_times(bars))
        np.testing.assert_array_equal(dataset.labels.classes[rows], alone.labels.classes)
        np.testing.assert_array_equal(dataset.labels.end_times[rows], alone.labels.end_times)
        ends = dataset.labels.end_rows[rows]
        own = make_labels(strategy.training.labels, bars)
        known = own.ends != UNLABELLED
        assert known.any()
        np.testing.assert_array_equal(ends[known], own.ends[known] + rows.start)
        assert (ends[~known] == UNLABELLED).all()
        assert ((ends[known] > np.arange(rows.start, rows.stop)[known]) & (ends[known] < rows.stop)).all()
        np.testing.assert_array_equal(
            dataset.labels.returns[rows][known], bars.close[own.ends[known]] / bars.close[known] - 1
        )


def test_symbols_can_be_told_apart_by_their_values() -> None:
    """Each symbol's price is of a size of its own: what stands beside what shows in the numbers themselves."""
    strategy = small_strategy(
        symbols=["ONE", "TEN"],
        indicators={"atr": {"type": "atr", "period": 2}},
        nn_inputs=[{"raw_indicator": "atr"}],
        **regression(),
    )
    flat = replace(random_bars(200), symbol="ONE")
    ten = {name: getattr(flat, name) * 1000 for name in ("open", "high", "low", "close")}
    rising = {name: values * 1.01 ** np.arange(200) for name, values in ten.items()}
    dataset = dataset_of(strategy, {("ONE", "1d"): flat, ("TEN", "1d"): replace(flat, symbol="TEN", **rising)})
    fold = dataset.folds[0]
    for name in PARTS:
        rows = fold.split.part(name)
        of_ten = rows >= 200
        assert set(of_ten.tolist()) == {False, True}
        assert (dataset.matrix[rows[of_ten]] > 300).all()
        assert (dataset.matrix[rows[~of_ten]] < 300).all()
        # The same bars, but for a rise of 1 % a bar: the label of TEN is that of ONE, times 1.01³.
        one = dataset.labels.returns[rows[of_ten] - 200]
        np.testing.assert_allclose(1 + dataset.labels.returns[rows[of_ten]], (1 + one) * 1.01**3)


@pytest.mark.parametrize(
    "parts",
    [{}, {"training": {"labels": ZIGZAG}}, {"training": {"labels": TRIPLE_BARRIER}}, WALK_FORWARD, regression()],
)
def test_no_part_knows_what_a_later_one_is_judged_by(parts: dict[str, Any]) -> None:
    strategy, _, dataset = several(**parts)
    for fold in dataset.folds:
        found = parts_of(fold)
        assert sum(len(part) for part in found.values()) == len(set().union(*found.values()))
        assert min(len(found[name]) for name in PARTS) >= LEAST_SAMPLES
        for name, following in (("train", "validation"), ("validation", "test")):
            border = dataset.times[fold.split.part(following)].min()
            assert dataset.times[fold.split.part(name)].max() < border
            assert dataset.labels.end_times[fold.split.part(name)].max() < border
        samples = np.concatenate([fold.split.part(name) for name in PARTS])
        assert dataset.has_inputs[samples].all()
        assert dataset.labels.known[samples].all()
        # All symbols are on the same side of each border.
        for name in PARTS:
            rows = fold.split.part(name)
            assert all(((rows >= each.start) & (rows < each.stop)).any() for each in dataset.symbol_rows.values())
    assert len(dataset.folds) == (3 if strategy.evaluation.mode == "walk_forward" else 1)
    assert [fold.number for fold in dataset.folds] == list(range(1, len(dataset.folds) + 1))


def test_scaling_is_learnt_from_each_fold_s_training_part_alone() -> None:
    _, _, dataset = several(**WALK_FORWARD)
    offsets = set()
    for fold in dataset.folds:
        expected = Scaler.fit(dataset.columns, dataset.matrix, fold.split.train)
        np.testing.assert_array_equal(fold.scaler.offset, expected.offset)
        np.testing.assert_array_equal(fold.scaler.scale, expected.scale)
        inputs = dataset.inputs(fold)
        assert inputs.dtype == np.float32
        assert np.isfinite(inputs).all()
        assert inputs[fold.split.train].mean(axis=0)[:2] == pytest.approx([0, 0], abs=1e-4)
        assert (inputs[0] == 0).all()  # not known
        offsets.add(float(fold.scaler.offset[0]))
    assert len(offsets) == 3


def test_a_regression_learns_returns_in_deviations_of_the_training_part() -> None:
    _, _, dataset = several(**regression())
    fold = dataset.folds[0]
    targets = dataset.targets(fold)
    assert targets.dtype == np.float32
    assert targets[fold.split.train].std() == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(targets * fold.target_scale, dataset.labels.returns, rtol=1e-5)
    assert (dataset.labels.classes == UNLABELLED).all()


def test_classes_are_their_own_targets() -> None:
    _, _, dataset = several()
    assert dataset.folds[0].target_scale == 1
    assert dataset.targets(dataset.folds[0]) is dataset.labels.classes


def test_a_window_stays_within_its_symbol_and_past_the_history() -> None:
    model = {"type": "gru", "architecture": {"hidden_layers": [4], "sequence_length": 7}}
    strategy, _, dataset = several(model=model, training_data={"history_required": 12})
    _, _, single = several(training_data={"history_required": 12})
    assert dataset.sequence_length == 7
    for rows in dataset.symbol_rows.values():
        has, alone = dataset.has_inputs[rows], single.has_inputs[rows]
        first = int(np.flatnonzero(alone)[0])
        assert first >= strategy.warm_up_bars == 12
        assert not has[: first + 6].any()
        assert has[first + 6 :].all()
    for name in PARTS:
        for row in dataset.folds[0].split.part(name).tolist():
            assert np.isfinite(dataset.matrix[row - 6 : row + 1]).all()


def test_no_window_reaches_into_another_symbol_even_without_a_history() -> None:
    strategy = small_strategy(
        symbols=SYMBOLS,
        indicators={"power": {"type": "bop"}},  # has a value from the first bar on
        nn_inputs=[{"raw_indicator": "power"}],
        model={"type": "gru", "architecture": {"hidden_layers": [4], "sequence_length": 7}},
    )
    assert strategy.warm_up_bars == 0
    dataset = dataset_of(strategy, random_market(strategy, 200))
    for rows in dataset.symbol_rows.values():
        assert dataset.has_inputs[rows].tolist() == [False] * 6 + [True] * 194


def test_the_history_of_base_bars_counts_where_longer_ones_reach_back_further() -> None:
    strategy = small_strategy(
        timeframes=["1d", "1w"],
        training_data={"history_required": 20},
        indicators={"rsi": {"type": "rsi", "period": 3}, "natr": {"type": "natr", "period": 2}},
        nn_inputs=[{"raw_indicator": "rsi", "timeframes": ["1w"]}, {"raw_indicator": "natr", "timeframes": ["1w"]}],
    )
    market = random_market(strategy, 800)
    late = market | {("AAPL", "1d"): market["AAPL", "1d"].rows(500, 800)}
    assert dataset_of(strategy, late).has_inputs.tolist() == [False] * 20 + [True] * 280


@given(st.sampled_from([ZIGZAG, TRIPLE_BARRIER, FAR]), st.integers(0, 319), st.floats(0.1, 10))
@settings(max_examples=30, deadline=None)
def test_no_label_changes_when_bars_change_after_its_end(labels: dict[str, Any], last: int, factor: float) -> None:
    strategy = small_strategy(symbols=SYMBOLS, training={"labels": labels})
    market = random_market(strategy, 320, seed=5)
    whole = dataset_of(strategy, market).labels
    changed_market = {key: with_later_bars_scaled(bars, last, factor) for key, bars in market.items()}
    for number, (key, bars) in enumerate(market.items()):
        first = number * 320
        ends = whole.end_rows[first : first + 320]
        settled = np.flatnonzero((ends != UNLABELLED) & (ends <= first + last))
        changed = make_labels(strategy.training.labels, changed_market[key])
        np.testing.assert_array_equal(changed.ends[settled] + first, ends[settled])
        np.testing.assert_array_equal(changed.classes[settled], whole.classes[first + settled])
        early = make_labels(strategy.training.labels, bars.rows(0, last + 1))
        assert set(np.flatnonzero(early.ends != UNLABELLED).tolist()) == set(settled.tolist())


def failure(strategy: Strategy, market: Series) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        dataset_of(strategy, market)
    return caught.value


def test_too_few_bars_name_the_shortest_series_and_the_fold() -> None:
    strategy = small_strategy(symbols=SYMBOLS, timeframes=["1d", "1w"], **WALK_FORWARD)
    market = random_market(strategy, 60) | with_longer_bars(strategy, replace(random_bars(20), symbol="IBM"))
    error = failure(strategy, market)
    assert reason_name(error.reason) == "TOO_FEW_BARS"
    assert "too few bars: 140 of at least" in error.message
    assert (
        "Of 3 symbols those with the fewest bars: IBM 1d has 20 bars, IBM 1w has 4 bars; 3 are history" in error.message
    )
    assert "this leaves fold 1 of 3" in error.message


@pytest.mark.parametrize(
    "parts",
    [
        {},
        WALK_FORWARD,
        {"evaluation": {"mode": "holdout", "embargo": 9}, "training": {"labels": FAR}},
        {"model": {"type": "lstm", "architecture": {"hidden_layers": [4], "sequence_length": 30}}},
    ],
)
@pytest.mark.parametrize("symbols", [SYMBOLS[:1], SYMBOLS])
def test_as_many_bars_as_are_asked_for_are_enough(parts: dict[str, Any], symbols: list[str]) -> None:
    strategy = small_strategy(symbols=symbols, **parts)
    needed = int(failure(strategy, random_market(strategy, 30)).parameters["needed"])
    dataset = dataset_of(strategy, random_market(strategy, -(-needed // len(symbols))))
    for fold in dataset.folds:
        assert min(len(fold.split.part(name)) for name in PARTS) >= LEAST_SAMPLES


def test_what_leaves_nothing_to_tell_apart_is_the_threshold_s_fault() -> None:
    labels = {"labels": {"source": "forward_return", "horizon": 2, "threshold": 0.9}}
    error = failure(*several_of(training=labels))
    assert error.fields[0].description == 'all samples of the training part are "flat"; change the threshold'
    split = {"data_split": {"train": 0.8, "validation": 0.2}}
    error = failure(*several_of(training=labels | split, evaluation=WALK_FORWARD["evaluation"]))
    assert 'all samples of the training part of fold 1 are "flat"' in error.fields[0].description


def test_returns_that_do_not_differ_are_nothing_to_learn() -> None:
    strategy = small_strategy(**regression())
    bars = random_bars(200)
    rising = 1.1 ** np.arange(200, dtype=np.float64)
    steady = replace(bars, symbol="AAPL", open=rising, high=rising, low=rising, close=rising)
    error = failure(strategy, {("AAPL", "1d"): steady})
    assert "the returns of the training part are all the same" in error.message


def test_a_damaged_bar_of_any_series_is_named() -> None:
    strategy, market = several_of()
    weeks = market["MSFT", "1w"]
    low = weeks.low.copy()
    low[5] = np.nan
    error = failure(strategy, market | {("MSFT", "1w"): replace(weeks, low=low)})
    assert reason_name(error.reason) == "BAR_SOURCE_UNAVAILABLE"
    assert "bars of MSFT 1w are damaged: low of the bar of 1970-02-" in error.message


def test_an_indicator_of_the_volume_needs_bars_that_have_one() -> None:
    strategy = small_strategy(indicators={"flow": {"type": "mfi", "period": 3}}, nn_inputs=[{"raw_indicator": "flow"}])
    bars = random_bars(200)
    error = failure(strategy, {("AAPL", "1d"): replace(bars, symbol="AAPL", volume=np.full(200, -1.0))})
    assert reason_name(error.reason) == "STRATEGY_INVALID"
    assert error.fields[0].field == "indicators.flow"
    assert "(AAPL 1d)" in error.fields[0].description


def test_each_series_and_symbol_is_told() -> None:
    strategy, market = several_of()
    progress = KeptPhases()
    prepare(strategy, loaded(market), progress)
    assert progress.phases == ["features", "labels", "split"]
    assert progress.steps[:4] == ["AAPL 1d", "AAPL 1w", "MSFT 1d", "MSFT 1w"]
    assert progress.steps[-4:] == ["AAPL", "MSFT", "IBM", ""]


def several_of(**parts: Any) -> tuple[Strategy, Series]:
    strategy = small_strategy(symbols=SYMBOLS, timeframes=["1d", "1w"], **parts)
    return strategy, random_market(strategy, 320)
