"""The name of a strategy is read from its text without a YAML library, and never wrongly."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ktrdr.training.v1.training_pb2 import TrainingSpec
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from services.operations.strategy_name import strategy_name

_STRATEGIES = sorted((Path(__file__).parents[3] / "examples" / "strategies").glob("*.yaml"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("name: aapl_swing\nversion: '3.0'\n", "aapl_swing"),
        ("version: 3\nname:   two words   # a comment\n", "two words"),
        ("name: 'it''s # here' # comment\n", "it's # here"),
        ('name: "a \\"b\\" c"\r\nversion: 3\r\n', 'a "b" c'),
        ('"name": x\n', "x"),
        ("name: a#b\n", "a#b"),
        ("indicators:\n  name: inner\nname: outer\n", "outer"),
        ('{"version": 3, "name": "json"}', "json"),
        ("indicators:\n  name: inner\n", ""),
        ("name:\n", ""),
        ("name: # none\n", ""),
        ("name: |\n  block\n", ""),
        ("name: *alias\n", ""),
        ("rename: x\nname_of: y\n", ""),
        ("{broken", ""),
        ("[1, 2]", ""),
        ("", ""),
    ],
)
def test_the_name_at_the_top_level_is_found(text: str, name: str) -> None:
    assert strategy_name(TrainingSpec(strategy=text)) == name


def test_an_override_of_the_name_wins() -> None:
    spec = TrainingSpec(strategy="name: before\n", overrides={"name": "'after'"})

    assert strategy_name(spec) == "after"


@pytest.mark.parametrize("path", _STRATEGIES, ids=lambda path: path.stem)
def test_the_strategies_of_the_examples_have_the_name_that_a_yaml_library_reads(path: Path) -> None:
    text = path.read_text()

    assert strategy_name(TrainingSpec(strategy=text)) == YAML(typ="safe").load(text)["name"]


@given(name=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=40))
def test_any_name_that_a_yaml_library_writes_on_a_line_of_its_own_is_read_back(name: str) -> None:
    written, yaml = io.StringIO(), YAML()
    yaml.width = 1_000
    yaml.dump({"description": "d", "name": DoubleQuotedScalarString(name), "version": 3}, written)
    text = written.getvalue()

    assert strategy_name(TrainingSpec(strategy=text)) == name
