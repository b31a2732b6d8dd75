"""Names that lead nowhere, what nothing reads, and inputs that are there twice."""

import pytest

from services.training_host.strategy.check import load_strategy
from services.training_host.strategy.fault import StrategyInvalid
from tests.support.trainings import REFERENCE, reference_text

SINGLE = reference_text()
SEVERAL = REFERENCE.with_name("tech_daily_weekly.yaml").read_text("utf-8")


def found(text: str, old: str = "", new: str = "", **overrides: str) -> list[tuple[str, str]]:
    """Return field and description of all faults after one replacement in a text."""
    assert old in text
    with pytest.raises(StrategyInvalid) as caught:
        load_strategy(text.replace(old, new, 1), overrides)
    for fault in caught.value.faults:
        assert fault.line or overrides, fault
    return [(fault.field, fault.description) for fault in caught.value.faults]


def test_a_misspelt_name_is_one_fault_and_what_it_means_counts_as_read() -> None:
    ((field, description),) = found(SINGLE, "{fuzzy_set: momentum,", "{fuzzy_set: momntum,")
    assert field == "nn_inputs[0].fuzzy_set"
    assert description == ('no fuzzy set "momntum"; there are: momentum, trend, band; did you mean "momentum"?')
    ((field, description),) = found(SINGLE, "indicator: ppo", "indicator: pppo")
    assert field == "fuzzy_sets.trend.indicator"
    assert description.startswith('no indicator "pppo"; there are: rsi_14, ppo, bb_20.upper,')
    assert description.endswith('did you mean "ppo"?')


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("bb_20", 'indicator "bb_20" has several outputs; name one of them: bb_20.upper, bb_20.middle, bb_20.lower'),
        ("bb_20.percentb", "has no such output; there is: bb_20.upper, bb_20.middle, bb_20.lower, bb_20.percent_b"),
    ],
)
def test_an_output_has_to_be_named_and_to_be_there(reference: str, said: str) -> None:
    ((field, description),) = found(SINGLE, "indicator: bb_20.percent_b", f"indicator: {reference}")
    assert field == "fuzzy_sets.band.indicator"
    assert said in description


def test_references_to_an_indicator_of_an_unknown_type_are_not_blamed() -> None:
    assert [field for field, _ in found(SINGLE, "{type: bbands,", "{type: bbandz,")] == ["indicators.bb_20.type"]


def test_what_nothing_reads_is_named() -> None:
    faults = found(SINGLE, "  - {fuzzy_set: trend, timeframes: all}\n", "")
    assert [field for field, _ in faults] == ["indicators.ppo", "fuzzy_sets.trend"]
    assert "no input reads it" in faults[0][1]
    assert "nothing reads it" in faults[1][1]


def test_an_indicator_is_read_through_a_fuzzy_set_or_directly() -> None:
    both = "  - {raw_indicator: ppo}\n  - {fuzzy_set: trend, timeframes: all}\n"
    load_strategy(SINGLE.replace("  - {fuzzy_set: trend, timeframes: all}\n", both))
    faults = found(SINGLE, "  - {fuzzy_set: trend, timeframes: all}\n", "  - {raw_indicator: ppo}\n")
    assert [field for field, _ in faults] == ["fuzzy_sets.trend"]


def test_an_input_of_a_wrong_shape_does_not_make_others_guilty() -> None:
    assert [field for field, _ in found(SINGLE, "{fuzzy_set: trend,", "{fuzzyset: trend,")] == ["nn_inputs[1]"]
    text = SINGLE[: SINGLE.index("nn_inputs:")] + "nn_inputs: momentum\n" + SINGLE[SINGLE.index("model:") :]
    assert found(text) == [("nn_inputs", 'should be a list, not "momentum"')]


@pytest.mark.parametrize(
    ("timeframes", "field", "said"),
    [
        ("[1h]", "nn_inputs[1].timeframes[0]", '"1h" is not a timeframe of training_data; allowed: 1d, 1w'),
        ("[1w, 1w]", "nn_inputs[1].timeframes", '"1w" is there twice'),
        ("1w", "nn_inputs[1].timeframes", "should be all, or a list of timeframes such as [1d]"),
        ("[]", "nn_inputs[1].timeframes", "should have at least 1"),
        ("[7d]", "nn_inputs[1].timeframes[0]", '"7d" is not allowed; allowed: 1s, 5s'),
    ],
)
def test_timeframes_of_an_input_are_those_of_the_strategy(timeframes: str, field: str, said: str) -> None:
    faults = found(SEVERAL, "{fuzzy_set: trend, timeframes: [1w]}", f"{{fuzzy_set: trend, timeframes: {timeframes}}}")
    assert any(name == field and said in description for name, description in faults), faults
    assert {name for name, _ in faults} == {field}


def test_a_timeframe_that_no_input_reads_is_named() -> None:
    text = SEVERAL.replace("{fuzzy_set: momentum, timeframes: all}", "{fuzzy_set: momentum, timeframes: [1d]}")
    faults = found(text, "{fuzzy_set: trend, timeframes: [1w]}", "{fuzzy_set: trend, timeframes: [1d]}")
    assert faults == [
        (
            "training_data.timeframes.list[1]",
            'no input reads "1w"; name it in the timeframes of an input, or remove it',
        )
    ]


def test_the_base_timeframe_may_feed_no_input() -> None:
    text = SEVERAL.replace("timeframes: all}", "timeframes: [1w]}").replace(
        "timeframes: [1d], norm", "timeframes: [1w], norm"
    )
    assert load_strategy(text).timeframes == ("1d", "1w")


@pytest.mark.parametrize(
    ("second", "name"),
    [
        ("{fuzzy_set: momentum}", "momentum.weak of 1d"),
        ("{fuzzy_set: momentum, timeframes: [1w]}", "momentum.weak of 1w"),
        ("{raw_indicator: natr_14, timeframes: [1d]}", "natr_14 of 1d"),
    ],
)
def test_the_same_input_twice_is_named_however_it_is_written(second: str, name: str) -> None:
    faults = found(SEVERAL, "model: {", f"  - {second}\nmodel: {{")
    assert [field for field, _ in faults] == ["nn_inputs[3]"]
    assert f"brings {name}, which nn_inputs[" in faults[0][1]


def test_an_input_may_not_have_the_name_of_another() -> None:
    text = SINGLE.replace("  band:", "  bb_20:").replace("    low: {type", "    percent_b: {type")
    text = text.replace("{fuzzy_set: band,", "{fuzzy_set: bb_20,")
    faults = found(text, "model: {", "  - {raw_indicator: bb_20.percent_b}\nmodel: {")
    assert faults == [
        ("nn_inputs[4]", "brings bb_20.percent_b of 1d, which nn_inputs[2] brings already; leave one of them out")
    ]


def test_a_name_that_an_override_brings_has_a_path_and_no_line() -> None:
    with pytest.raises(StrategyInvalid) as caught:
        load_strategy(SINGLE, {"nn_inputs[3].raw_indicator": "natr_15", "fuzzy_sets.band.indicator": "bb_20"})
    faults = {fault.field: fault for fault in caught.value.faults}
    assert set(faults) == {"nn_inputs[3].raw_indicator", "fuzzy_sets.band.indicator"}
    assert {fault.line for fault in faults.values()} == {None}
    assert all("(set by an override)" in fault.description for fault in faults.values())
