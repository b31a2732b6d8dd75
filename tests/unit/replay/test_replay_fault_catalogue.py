"""Every fault has a name, an example that can be used, and a place in the documentation."""

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from services.ib_host.replay.faults.catalogue import describe, fault, fault_names, parse_fault
from services.ib_host.replay.faults.catalogue_page import page
from services.ib_host.replay.faults.catalogued import Effect
from services.ib_host.replay.faults.file import read_faults
from services.ib_host.replay.faults.malformed import Damage
from services.ib_host.replay.faults.rules import RuleError, actions

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "replay-gateway.md").read_text(encoding="utf-8")
FAULTS_PAGE = (DOCS / "replay-gateway-faults.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
NAMES = fault_names()


def test_every_action_and_damage_has_an_example() -> None:
    rules = [fault(name) for name in NAMES]
    assert {rule.action for rule in rules} == set(actions())
    assert {f"malformed_{damage}" for damage in get_args(Damage)} <= set(NAMES)
    assert {describe(name).effect for name in NAMES} == set(get_args(Effect))
    assert sorted(NAMES) == sorted(name for effect in get_args(Effect) for name in fault_names(effect))


def test_each_example_is_a_file_that_can_be_used_and_says_the_same_as_its_name(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    for name in NAMES:
        path.write_text(describe(name).text)
        [count] = read_faults(path).counts
        assert count.rule == fault(name, name="rule 1"), name
        assert fault(name).name == name


def test_the_page_of_faults_has_all_of_them() -> None:
    assert page() == FAULTS_PAGE, "write it anew: python -m services.ib_host.replay.faults.catalogue_page"


def test_every_block_of_rules_in_the_documentation_can_be_used(tmp_path: Path) -> None:
    blocks = [block for block in BLOCKS if "[[rule]]" in block]
    assert blocks
    for block in blocks:
        path = tmp_path / "faults.toml"
        path.write_text(block)
        assert read_faults(path).counts


def test_every_other_block_in_the_documentation_is_toml() -> None:
    for block in BLOCKS:
        assert tomllib.loads(block)


def test_every_action_and_key_is_in_the_documentation() -> None:
    missing = [action for action in actions() if f"`{action}`" not in PAGE]
    keys = {key for name in NAMES for key in type(fault(name)).model_fields if key not in {"name", "on", "action"}}
    assert missing == []
    assert [key for key in sorted(keys) if f"`{key}`" not in PAGE] == []


def test_a_flag_names_a_fault_and_changes_some_of_its_values() -> None:
    rule = parse_fault("silent:nth=3,times=,symbol=AAPL;begin=2013-03-01T10:00:00Z")
    assert (rule.name, rule.action, rule.nth, rule.times, rule.symbol) == ("silent", "silent", 3, None, "AAPL")
    assert str(rule.begin) == "2013-03-01 10:00:00+00:00"
    assert parse_fault("silent") == fault("silent")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("sillent", "there is no fault 'sillent': did you mean silent?"),
        ("nonsense", "there is no fault 'nonsense': use one of abort, "),
        ("silent:nth", "'nth' should be key=value, as in silent:times=1"),
        ("silent:nth=0", "nth = 0: Input should be greater"),
        ("silent:speed=1", "the key speed has no meaning here"),
    ],
)
def test_a_flag_that_makes_no_rule_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(RuleError) as refusal:
        parse_fault(text)
    assert complaint in str(refusal.value)
