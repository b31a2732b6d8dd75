"""Every fault of a strategy is named, with its place and with what would be right."""

import pytest

from services.training_host.failures import strategy_invalid
from services.training_host.strategy.check import load_strategy
from services.training_host.strategy.fault import Fault, StrategyInvalid
from tests.support.trainings import faults_of, reference_text


def faults(text: str, **overrides: str) -> dict[str, Fault]:
    with pytest.raises(StrategyInvalid) as caught:
        load_strategy(text, {name.replace("__", "."): value for name, value in overrides.items()})
    return faults_of(caught.value)


def changed(old: str, new: str) -> dict[str, Fault]:
    text = reference_text()
    assert old in text
    return faults(text.replace(old, new))


def test_reference_strategy_is_valid() -> None:
    strategy = load_strategy(reference_text())
    assert strategy.symbols == ("AAPL",)
    assert strategy.timeframes == ("1d",)
    assert strategy.classes == ("down", "flat", "up")
    assert strategy.warm_up_bars == 100
    assert [type(entry).__name__ for entry in strategy.nn_inputs] == ["FuzzyInput"] * 3 + ["RawInput"]


CASES = [
    # what is wrong in the text, what it was, which field is named, what the description has to say
    ("epoch: 60", "epochs: 60", "training.epoch", 'did you mean "epochs"?'),
    ("'[key]': me", "name: aapl_daily_swing", "[key]", "unknown key"),
    ("name: x\nowner: me", "name: aapl_daily_swing", "owner", "unknown key; allowed here: backtest, decisions"),
    ("version: '4.0'", 'version: "3.0"', "version", "allowed: 3.0"),
    ("rsi, length: 14", "rsi, period: 14", "indicators.rsi_14.length", "unknown key; allowed here: period, type"),
    ("rsi, period: 1}", "rsi, period: 14}", "indicators.rsi_14.period", "greater than or equal to 2, not 1"),
    ("rsi, period: 14.5", "rsi, period: 14", "indicators.rsi_14.period", "integer, not 14.5"),
    ("rsi, period: true", "rsi, period: 14", "indicators.rsi_14.period", "integer, not true"),
    (
        "{type: rsii, period: 14}",
        "{type: rsi, period: 14}",
        "indicators.rsi_14.type",
        '"rsii" is unknown; allowed: sma, ema',
    ),
    ("{period: 14}", "{type: rsi, period: 14}", "indicators.rsi_14.type", "is missing"),
    ("fast: 30", "fast: 12", "indicators.ppo", "fast should be less than slow"),
    ("deviations: 0", "deviations: 2.0", "indicators.bb_20.deviations", "greater than 0, not 0"),
    ("indicator: rsi_41", "indicator: rsi_14", "fuzzy_sets.momentum.indicator", 'did you mean "rsi_14"?'),
    ("indicator: bb_20\n", "indicator: bb_20.percent_b\n", "fuzzy_sets.band.indicator", "bb_20.upper"),
    ("[35, 65, 50]", "[35, 50, 65]", "fuzzy_sets.momentum.neutral", "should ascend"),
    ("neutral: high", "neutral: [35, 50, 65]", "fuzzy_sets.momentum.neutral", "three numbers, such as [0, 20, 40], or"),
    ("hidden_layers: []", "hidden_layers: [32, 16]", "model.architecture.hidden_layers", "at least 1 entry, not 0"),
    ("start_date: 2000-13-01", 'start_date: "2000-03-01"', "training_data.start_date", 'not "2000-13-01"'),
    ("name: 12", "name: aapl_daily_swing", "name", "should be text, not 12"),
    (
        "optimizer: adams",
        "optimizer: adam",
        "training.optimizer",
        'allowed: adam, adamw, sgd, rmsprop; did you mean "adam',
    ),
    ("[35, 50]", "[35, 50, 65]", "fuzzy_sets.momentum.neutral", "list of 3 numbers"),
    ("[50, 50, 50]", "[35, 50, 65]", "fuzzy_sets.momentum.neutral", "first should be below the last"),
    ("[0, 0, 30]", "[0, 0, 30, 45]", "fuzzy_sets.momentum.oversold.parameters", "list of 4 numbers"),
    ("[0, -1.5]", "[0, 1.5]", "fuzzy_sets.trend.flat.parameters", "greater than 0"),
    ("[.nan, 1.5]", "[0, 1.5]", "fuzzy_sets.trend.flat.parameters[0]", "finite"),
    ("{type: sigmoid, para", "{type: gaussian, para", "fuzzy_sets.trend.flat.type", "allowed: triangular, trapezoidal"),
    ("{fuzzy_set: momntum,", "{fuzzy_set: momentum,", "nn_inputs[0].fuzzy_set", 'did you mean "momentum"?'),
    ("{fuzzyset: momentum,", "{fuzzy_set: momentum,", "nn_inputs[0]", "key fuzzy_set or raw_indicator"),
    ("{raw_indicator: bb_20,", "{raw_indicator: natr_14,", "nn_inputs[3].raw_indicator", "bb_20.width"),
    ("normalization: log", "normalization: zscore", "nn_inputs[3].normalization", "allowed: minmax, zscore, none"),
    ("natr_14, timeframes: [1w]", "natr_14, timeframes: all", "nn_inputs[3].timeframes[0]", "allowed: 1d"),
    ("fuzzy_set: band, normalization: zscore,", "fuzzy_set: band,", "nn_inputs[2].normalization", "unknown key"),
    ("timeframe: 7min", "timeframe: 1d", "training_data.timeframes.timeframe", "allowed: 1s, 5s"),
    ("symbol: aapl", "symbol: AAPL", "training_data.symbols.symbol", "a symbol in capitals"),
    ('start_date: "2000-13-01"', 'start_date: "2000-03-01"', "training_data.start_date", 'a date such as "2013-03-01"'),
    ('end_date: "1999-03-01"', 'end_date: "2013-03-01"', "training_data.end_date", "is before start_date, 2000-03-01"),
    ("history_required: 20", "history_required: 100", "training_data.history_required", 'indicator "ppo"'),
    ("model: {type: cnn,", "model: {type: mlp,", "model.type", "allowed: mlp"),
    ("hidden_layers: [32, 0]", "hidden_layers: [32, 16]", "model.architecture.hidden_layers[1]", "not 0"),
    ("dropout: 1.0", "dropout: 0.2", "model.architecture.dropout", "less than 1"),
    ("activation: relux", "activation: relu", "model.architecture.activation", "allowed: relu"),
    ("source: crystal_ball", "source: forward_return", "training.labels.source", "allowed: forward_return, zigzag"),
    ("horizont: 5", "horizon: 5", "training.labels.horizont", 'did you mean "horizon"?'),
    ("test: 0.25", "test: 0.15", "training.data_split", "add up to 1.1"),
    ("loss: mse", "loss: cross_entropy", "training.loss", "allowed: cross_entropy"),
    ("optimizer: adam\n  momentum: 0.9", "optimizer: adam", "training.momentum", "not read with optimizer: adam"),
    ("factor: 1.5", "factor: 0.5", "training.lr_scheduler.factor", "less than 1"),
    ("min_delta: -1", "min_delta: 0.0005", "training.early_stopping.min_delta", "not -1"),
    ("device: tpu", "device: auto", "training.device", "auto, cpu, cuda, cuda:N or mps"),
    ("seed: -1", "seed: 7", "training.seed", "not -1"),
    ("confidence_threshold: 1.0", "confidence_threshold: 0.55", "decisions.confidence_threshold", "less than 1"),
]


@pytest.mark.parametrize(
    ("new", "old", "field", "description"), CASES, ids=[f"{case[2]}:{case[0][:20]}" for case in CASES]
)
def test_fault_is_named_with_what_is_allowed(new: str, old: str, field: str, description: str) -> None:
    found = changed(old, new)
    assert description in found[field].description, found
    line = found[field].line
    assert line is not None
    key = field.replace("]", "").replace("[", ".").split(".")[-1]
    if not key.isdigit() and found[field].description != "is missing":
        assert key in reference_text().replace(old, new).splitlines()[line - 1]


def test_every_fault_is_found_at_once_in_the_order_of_the_text() -> None:
    text = reference_text().replace("rsi, period", "rsi, length").replace("indicator: ppo", "indicator: pppo")
    text = text.replace("epochs: 60", "epochs: none")
    with pytest.raises(StrategyInvalid) as caught:
        load_strategy(text)
    assert [fault.field for fault in caught.value.faults] == [
        "indicators.rsi_14.length",
        "fuzzy_sets.trend.indicator",
        "training.epochs",
    ]


def test_missing_sections_are_named() -> None:
    found = faults("name: x\nversion: '3.0'\n")
    assert set(found) == {"training_data", "indicators", "nn_inputs", "model", "decisions", "training"}
    assert {fault.description for fault in found.values()} == {"is missing"}


def test_a_fuzzy_set_needs_a_label() -> None:
    text = reference_text() + "\n"
    found = faults(text.replace("nn_inputs:\n", "  empty: {indicator: rsi_14}\nnn_inputs:\n  - {fuzzy_set: empty}\n"))
    assert list(found) == ["fuzzy_sets.empty"]
    assert "no labels" in found["fuzzy_sets.empty"].description


def test_a_label_that_is_no_membership_is_refused() -> None:
    found = changed("indicator: rsi_14\n", "indicatr: rsi_14\n")
    assert found["fuzzy_sets.momentum.indicator"].description == "is missing"
    assert "fuzzy_sets.momentum.indicatr" in found


def test_a_missing_key_is_named_also_where_a_value_is_called_like_it() -> None:
    text = reference_text().replace("name: aapl_daily_swing", "name: training")
    found = faults(text[: text.index("training:\n  labels")])
    assert (found["training"].description, found["training"].line, found["training"].column) == ("is missing", 1, 1)
    found = changed("{type: ppo, fast: 12", "{type: ppo, ppo: 12")
    assert list(found) == ["indicators.ppo.ppo"]
    assert "unknown key; allowed here: average, fast, slow, type" in found["indicators.ppo.ppo"].description


def test_a_number_as_version_means_the_same() -> None:
    assert load_strategy(reference_text().replace('"3.0"', "3.0")).version == "3.0"


def test_a_plain_yaml_date_means_the_same() -> None:
    text = reference_text().replace('"2000-03-01"', "2000-03-01")
    assert load_strategy(text) == load_strategy(reference_text())


def test_a_fault_of_the_whole_text_names_no_field() -> None:
    message = strategy_invalid([Fault("", "not valid YAML", 3, 1), Fault("name", "is missing")]).message
    assert message.startswith("The strategy is invalid. line 3, column 1: not valid YAML; name: is missing. Correct")
