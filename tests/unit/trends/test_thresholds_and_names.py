import json
from pathlib import Path

import pytest
from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import ServiceError
from services.common.settings import load_settings
from services.common.startup import ConfigurationError
from services.operations.settings import OperationsSettings
from services.operations.trends.series_names import (
    DEFAULT_NAMES,
    FINITE,
    STEP_LOSS,
    TRAIN_LOSS,
    VAL_ACCURACY,
    VAL_LOSS,
    Part,
    Role,
    SeriesNames,
)
from services.operations.trends.thresholds import DEFAULT_THRESHOLDS, Thresholds

DOCS = Path(__file__).parents[3] / "docs" / "trends.md"


def test_thresholds_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "ktrdr.toml"
    file.write_text('[operations]\ntrend_val_loss = ["nll"]\n[operations.trends]\nplateau_epochs = 20\n')
    settings = load_settings(OperationsSettings, config=file)
    assert settings.trends.plateau_epochs == 20
    assert settings.trends.stalled_gaps == DEFAULT_THRESHOLDS.stalled_gaps
    assert settings.trend_names.part("nll") == Part(Role.VAL_LOSS, 0)
    assert settings.trend_names.part("val_loss") == Part(Role.NONE, 0)  # a list replaces the built-in one


@pytest.mark.parametrize("text", ["plateau_epochs=5,stalled_gaps=2.5", '{"plateau_epochs": 5, "stalled_gaps": 2.5}'])
def test_thresholds_of_a_variable(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("KTRDR_OPERATIONS_TRENDS", text)
    trends = load_settings(OperationsSettings).trends
    assert (trends.plateau_epochs, trends.stalled_gaps) == (5, 2.5)
    assert str(trends) == "plateau_epochs=5,stalled_gaps=2.5"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("plateau_epoch=5", "did you mean plateau_epochs?"),
        ("nonsense=5", "there are plateau_epochs, "),
        ("plateau_epochs", "is not NAME=VALUE"),
        ("plateau_epochs=0", "greater than or equal to 1"),
        ("plateau_epochs=many", "a valid integer"),
    ],
)
def test_thresholds_that_are_refused(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match="trends") as caught:
        load_settings(OperationsSettings, flags={"trends": text})
    assert problem in str(caught.value)


def test_all_wrong_thresholds_of_a_request_are_named() -> None:
    wrong = {"plateau_epochs": 1.5, "throughput_ratio": 1.0, "unknown": 1.0, "no_learning_fall": float("inf")}
    with pytest.raises(ServiceError) as caught:
        DEFAULT_THRESHOLDS.changed(wrong)
    assert caught.value.reason == ErrorReason.ERROR_REASON_INVALID_REQUEST
    assert {violation.field for violation in caught.value.fields} == {f"thresholds['{name}']" for name in wrong}


def test_a_request_changes_what_is_configured() -> None:
    changed = Thresholds(plateau_epochs=3, stalled_gaps=7).changed({"plateau_epochs": 4.0})
    assert (changed.plateau_epochs, changed.stalled_gaps) == (4, 7)
    assert set(changed.values()) == set(Thresholds.model_fields)


def test_names_have_one_part_each() -> None:
    names = [*VAL_LOSS, *TRAIN_LOSS, *VAL_ACCURACY, *STEP_LOSS]
    assert len(names) == len(set(names))
    assert DEFAULT_NAMES.part("actor_loss") == Part(Role.NONE, 0)
    assert DEFAULT_NAMES.part("sharpe") is None
    assert SeriesNames(finite=["sharp*"]).part("sharpe") == Part(Role.NONE, 0)


def test_the_documentation_has_all_names_and_defaults() -> None:
    text = DOCS.read_text()
    for name in (*VAL_LOSS, *TRAIN_LOSS, *VAL_ACCURACY, *STEP_LOSS):
        assert f"`{name}`" in text
    for name, value in DEFAULT_THRESHOLDS.values().items():
        assert f"`{name}` {value:g}" in text
    assert FINITE == ("*loss*",)
    assert json.dumps(sorted(DEFAULT_THRESHOLDS.values()))  # they travel as numbers
