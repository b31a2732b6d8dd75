"""The registry of indicators: complete, described, and checked."""

import re
from typing import Literal, get_args, get_origin

import pytest
from pydantic import TypeAdapter, ValidationError

from services.training_host.bars.series import COLUMNS
from services.training_host.indicators.definition import (
    INDICATOR_TYPES,
    Indicator,
    IndicatorDefinition,
    references,
)
from tests.support.indicators import TYPES, bounds, parameters

ADAPTER: TypeAdapter[IndicatorDefinition] = TypeAdapter(Indicator)


def test_there_are_many_and_the_union_has_the_same() -> None:
    assert len(TYPES) >= 40
    assert sorted(TYPES) == TYPES
    for name, kind in INDICATOR_TYPES.items():
        indicator = ADAPTER.validate_python({"type": name})
        assert type(indicator) is kind
        assert indicator.type == name


@pytest.mark.parametrize("name", TYPES)
def test_everything_is_described(name: str) -> None:
    kind = INDICATOR_TYPES[name]
    assert kind.__doc__
    assert kind.title
    assert kind.inputs
    assert set(kind.inputs) <= set(COLUMNS)
    assert kind.outputs == tuple(kind.output_descriptions)
    assert kind.scale_free <= set(kind.outputs)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", output) for output in kind.outputs)
    assert all(len(told) > 10 for told in kind.output_descriptions.values())
    # Some price or other stands behind every output that is not scale-free, and that is said.
    for output in set(kind.outputs) - kind.scale_free:
        assert re.search("units", kind.output_descriptions[output])


@pytest.mark.parametrize("name", TYPES)
def test_every_parameter_has_a_description_bounds_and_a_default(name: str) -> None:
    kind = INDICATOR_TYPES[name]
    assert next(iter(kind.model_fields)) == "type"
    for parameter, field in parameters(kind).items():
        assert field.description
        assert field.description.endswith(".")
        if get_origin(field.annotation) is Literal:
            assert field.default in get_args(field.annotation)
            continue
        low, high = bounds(field)
        for wrong in (low - 1, high + 1):
            value = int(wrong) if field.annotation is int else float(wrong)
            with pytest.raises(ValidationError, match=parameter):
                kind.model_validate({"type": name, parameter: value})


def test_titles_tell_indicators_apart() -> None:
    assert len({kind.title for kind in INDICATOR_TYPES.values()}) == len(INDICATOR_TYPES)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"type": "macd", "fast": 26, "slow": 26}, "fast should be less than slow"),
        ({"type": "adosc", "fast": 10, "slow": 9}, "fast should be less than slow"),
        ({"type": "ultosc", "medium": 28}, "fast should be less than medium, and medium less than slow"),
        ({"type": "sar", "acceleration": 0.5}, "acceleration should not exceed maximum"),
        ({"type": "rsi", "period": "14"}, "valid integer"),
        ({"type": "rsi", "length": 14}, "Extra inputs"),
        ({"type": "bop", "period": 14}, "Extra inputs"),
    ],
)
def test_what_makes_no_sense_is_refused(written: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        ADAPTER.validate_python(written)


def test_one_output_goes_by_the_id_and_several_by_their_names() -> None:
    assert references("r", INDICATOR_TYPES["rsi"].outputs) == ["r"]
    assert references("bb_20", INDICATOR_TYPES["bbands"].outputs)[3:] == ["bb_20.percent_b", "bb_20.width"]
    assert references("e", INDICATOR_TYPES["ema"].outputs) == ["e.ema", "e.distance"]
