"""What holds for every indicator, whatever its parameters."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.training_host.bars.series import COLUMNS, Bars
from services.training_host.indicators.calculation import calculate
from services.training_host.indicators.definition import INDICATOR_TYPES
from tests.support.indicators import TYPES, bounds, definitions, parameters
from tests.support.trainings import random_bars, with_later_bars_scaled

BARS = random_bars(260)
MANY_BARS = random_bars(6_050)
"""Six windows of 1,000 bars in a row, which T3 has, fit in."""
EXAMPLES = 6
RANGE = re.compile(r"(-?\d+)(?: \([^)]*\))? to (-?\d+)")

every_type = pytest.mark.parametrize("name", TYPES)
few = settings(max_examples=EXAMPLES, deadline=None)


def scaled(bars: Bars, factor: float) -> Bars:
    columns: Any = {name: getattr(bars, name) * factor for name in COLUMNS}
    return replace(bars, **columns)


@every_type
@given(st.data())
@few
def test_warm_up_is_exactly_the_bars_without_a_value(name: str, data: st.DataObject) -> None:
    indicator = data.draw(definitions(name))
    outputs = calculate(indicator, BARS)
    assert len(outputs) == len(indicator.outputs)
    for output in outputs:
        assert output.dtype == np.float64
        assert output.shape == BARS.close.shape
        assert np.flatnonzero(np.isfinite(output)).tolist() == list(range(indicator.warm_up_bars, len(BARS)))


@every_type
@pytest.mark.parametrize("extreme", [0, 1], ids=["shortest", "longest"])
def test_warm_up_is_exact_for_the_shortest_and_the_longest_windows(name: str, extreme: int) -> None:
    kind = INDICATOR_TYPES[name]
    windows = {each: int(bounds(field)[extreme]) for each, field in parameters(kind).items() if field.annotation is int}
    # They have to ascend.
    apart = {"fast": (0, -2), "medium": (1, -1), "slow": (2, 0)}
    windows = {each: value + apart.get(each, (0, 0))[extreme] for each, value in windows.items()}
    indicator: Any = kind.model_validate({"type": name, **windows})
    for output in calculate(indicator, MANY_BARS):
        assert np.flatnonzero(np.isfinite(output)).tolist() == list(range(indicator.warm_up_bars, len(MANY_BARS)))


@every_type
@given(st.data(), st.integers(0, 259), st.floats(0.01, 100))
@few
def test_later_bars_change_nothing_before(name: str, data: st.DataObject, last: int, factor: float) -> None:
    indicator = data.draw(definitions(name))
    whole = calculate(indicator, BARS)
    changed = calculate(indicator, with_later_bars_scaled(BARS, last, factor))
    cut = calculate(indicator, BARS.rows(0, last + 1))
    for output, other, short in zip(whole, changed, cut, strict=True):
        np.testing.assert_array_equal(other[: last + 1], output[: last + 1])
        np.testing.assert_array_equal(short, output[: last + 1])


@every_type
@given(st.data(), st.sampled_from([0.125, 64.0]))
@few
def test_scale_free_outputs_and_no_others_keep_their_values_at_other_prices(
    name: str, data: st.DataObject, factor: float
) -> None:
    indicator = data.draw(definitions(name))
    found, other = calculate(indicator, BARS), calculate(indicator, scaled(BARS, factor))
    for output, values, changed in zip(indicator.outputs, found, other, strict=True):
        same = np.allclose(values, changed, rtol=1e-6, atol=1e-6, equal_nan=True)
        assert same == (output in indicator.scale_free), output


@every_type
def test_the_inputs_are_what_is_read(name: str) -> None:
    indicator: Any = INDICATOR_TYPES[name].model_validate({"type": name})
    found = calculate(indicator, BARS)
    random = np.random.default_rng(1)
    for column in COLUMNS:
        away = random.uniform(0.0, 1.0, len(BARS))
        changed: Any = {column: getattr(BARS, column) * (1 + 0.01 * away)}
        other = calculate(indicator, replace(BARS, **changed))
        same = [np.array_equal(*pair, equal_nan=True) for pair in zip(found, other, strict=True)]
        assert all(same) == (column not in indicator.inputs), column


@every_type
@given(st.data(), st.integers(0, 50))
@few
def test_values_stay_in_the_range_that_is_told(name: str, data: st.DataObject, seed: int) -> None:
    indicator = data.draw(definitions(name))
    for output, values in zip(indicator.outputs, calculate(indicator, random_bars(260, seed=seed)), strict=True):
        told = indicator.output_descriptions[output]
        low, high = (-np.inf, np.inf)
        if "from 0" in told:
            low = 0
        elif (limits := RANGE.search(told)) and "unbounded" not in told:
            low, high = float(limits[1]), float(limits[2])
        known = values[indicator.warm_up_bars :]
        assert ((known >= low - 1e-9) & (known <= high + 1e-9)).all(), output


@every_type
def test_bars_are_left_as_they_are(name: str) -> None:
    indicator: Any = INDICATOR_TYPES[name].model_validate({"type": name})
    before = {column: getattr(BARS, column).copy() for column in COLUMNS}
    for output in calculate(indicator, BARS):
        assert not any(np.shares_memory(output, getattr(BARS, column)) for column in COLUMNS)
    for column, values in before.items():
        np.testing.assert_array_equal(getattr(BARS, column), values)


def test_the_ranges_that_are_checked_are_found_in_the_descriptions() -> None:
    bounded = {
        f"{name}.{output}"
        for name, kind in INDICATOR_TYPES.items()
        for output, told in kind.output_descriptions.items()
        if RANGE.search(told) and "unbounded" not in told
    }
    assert {"rsi.rsi", "willr.willr", "bop.bop", "stoch.d", "aroon.up", "ht_sine.lead", "mfi.mfi"} <= bounded
