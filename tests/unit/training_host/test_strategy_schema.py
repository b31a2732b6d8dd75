"""`ktrdr strategy schema`: the format as editors understand it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.training_host.indicators.definition import INDICATOR_TYPES
from services.training_host.strategy.check import load_strategy
from services.training_host.strategy.override import apply_overrides
from services.training_host.strategy.schema import strategy_schema
from services.training_host.strategy.source import parse
from services.training_host.strategy_cli.init import Template, template_text
from services.training_host.strategy_command import application
from tests.support.json_schema import SchemaValidator
from tests.support.trainings import REFERENCE, reference_text

SCHEMA = strategy_schema()
VALIDATOR = SchemaValidator(SCHEMA)


def parts() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "Strategy", SCHEMA
    yield from SCHEMA["$defs"].items()


@pytest.mark.parametrize(
    "text",
    [
        reference_text(),
        reference_text().replace('"3.0"', "3.0"),
        REFERENCE.with_name("tech_daily_weekly.yaml").read_text("utf-8"),
        *(template_text(template) for template in Template),
    ],
)
def test_strategies_are_valid(text: str) -> None:
    load_strategy(text)
    assert VALIDATOR.errors(parse(text).values) == []


MISTAKES = [
    ("training.epoch", "60", ".training.epoch"),
    ("training.epochs", "0", ".training.epochs"),
    ("training.epochs", "many", ".training.epochs"),
    ("training.epochs", "", ".training"),
    ("owner", "me", ".owner"),
    ("version", "2.0", ".version"),
    ("indicators.rsi_14", "{type: rsi, length: 14}", ".indicators.rsi_14"),
    ("indicators.rsi_14", "{type: rsii}", ".indicators.rsi_14"),
    ("indicators.ppo.fast", "1.5", ".indicators.ppo"),
    ("indicators.r-s-i", "{type: rsi}", ".indicators.r-s-i"),
    ("fuzzy_sets.momentum", "{indicator: rsi_14}", ".fuzzy_sets.momentum"),
    ("fuzzy_sets.momentum.neutral", "[35, 50]", ".fuzzy_sets.momentum.neutral"),
    ("fuzzy_sets.momentum.neutral", "{type: gaussian, parameters: [1, 2, 3]}", ".fuzzy_sets.momentum.neutral"),
    ("fuzzy_sets.momentum.preset", "{terms: 3, range: [30, 70]}", ".fuzzy_sets.momentum"),
    ("nn_inputs[0]", "{fuzzyset: momentum}", ".nn_inputs[0]"),
    ("nn_inputs[0]", "{fuzzy_set: momentum, normalization: zscore}", ".nn_inputs[0]"),
    ("nn_inputs[0].timeframes", "1d", ".nn_inputs[0]"),
    ("nn_inputs", "[]", ".nn_inputs"),
    ("model.type", "lstm", ".model"),
    ("model.architecture.sequence_length", "20", ".model"),
    ("decisions.output_format", "regression", ".training.loss"),
    ("training.loss", "huber", ".training.loss"),
    ("training.loss", "{type: huber}", ".training.loss"),
    ("training.labels.threshold", "", ".training.labels"),
    ("training.data_split.test", "", ".training.data_split"),
    ("evaluation", "{mode: walk_forward, folds: 4}", ".training.data_split.test"),
    ("training.lr_scheduler.type", "warm", ".training.lr_scheduler"),
    ("training.device", "tpu", ".training.device"),
]


@pytest.mark.parametrize(("path", "value", "place"), MISTAKES, ids=[f"{case[0]}={case[1]}" for case in MISTAKES])
def test_mistakes_are_invalid(path: str, value: str, place: str) -> None:
    document = parse(reference_text())
    apply_overrides(document, {path: value})
    errors = VALIDATOR.errors(document.values)
    assert [error for error in errors if error.startswith((f"{place}:", f"{place} "))], errors


def test_shorthands_are_valid() -> None:
    document = parse(reference_text())
    changes = {
        "training.loss": "{type: focal, gamma: 1}",
        "fuzzy_sets.band": "{indicator: bb_20.percent_b, preset: {terms: 5, range: [0, 1]}}",
        "fuzzy_sets.momentum.neutral": "[35, 50.5, 65]",
    }
    apply_overrides(document, changes)
    assert VALIDATOR.errors(document.values) == []


def test_every_key_is_described_and_unknown_ones_are_refused() -> None:
    for name, part in parts():
        assert part["title"], name
        assert part["description"], name
        assert "Attributes:" not in part["description"], name
        assert "additionalProperties" in part, name
        for key, about in part["properties"].items():
            assert about.get("description"), f"{name}.{key}"
            assert about.get("default", ...) is not ... or key in part["required"] or key == "fuzzy_sets", (
                f"{name}.{key}"
            )
    open_parts = {name for name, part in parts() if part["additionalProperties"] is not False}
    assert open_parts == {"FuzzySet"}  # its keys are labels


def test_every_indicator_is_there() -> None:
    (alternatives,) = SCHEMA["properties"]["indicators"]["patternProperties"].values()
    assert set(alternatives["discriminator"]["mapping"]) == set(INDICATOR_TYPES)
    assert len(alternatives["oneOf"]) == len(INDICATOR_TYPES)


def test_the_command_prints_it_or_writes_it(tmp_path: Path) -> None:
    printed = CliRunner().invoke(application, ["schema"])
    assert printed.exit_code == 0
    assert json.loads(printed.stdout) == SCHEMA
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    file = tmp_path / "strategy.schema.json"
    file.write_text("old")
    done = CliRunner().invoke(application, ["schema", "--output-file", str(file)])
    assert (done.exit_code, done.stdout) == (0, "")
    assert file.read_text("utf-8") == printed.stdout
    assert "# yaml-language-server: $schema=strategy.schema.json" in done.stderr
    refused = CliRunner().invoke(application, ["schema", "--output-file", str(tmp_path / "no" / "folder")])
    assert (refused.exit_code, "cannot be written: No such file" in refused.stderr) == (1, True)
