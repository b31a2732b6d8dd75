"""Reading YAML: places, and what is not a strategy at all."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.training_host.strategy.check import load_strategy
from services.training_host.strategy.fault import Fault, StrategyInvalid
from services.training_host.strategy.source import MAX_TEXT_BYTES, parse
from tests.support.trainings import reference_text


def only_fault(text: str) -> Fault:
    with pytest.raises(StrategyInvalid) as caught:
        parse(text)
    (fault,) = caught.value.faults
    return fault


def faults_or_none(text: str) -> list[Fault] | None:
    try:
        load_strategy(text)
    except StrategyInvalid as error:
        return error.faults
    return None


def test_keys_keep_their_place() -> None:
    document = parse("a:\n  b: [x, y]\n  c: 1\n")
    assert document.values == {"a": {"b": ["x", "y"], "c": 1}}
    assert document.keys == {
        (): (1, 1), ("a",): (1, 1),
        ("a", "b"): (2, 3), ("a", "b", 0): (2, 7), ("a", "b", 1): (2, 10), ("a", "c"): (3, 3),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "description"),
    [
        ("a: [1, 2", 1, "not valid YAML"),
        ("a: 1\na: 2\n", 2, 'duplicate key "a"'),
        ("- a\n- b\n", 1, "a strategy is a mapping"),
        ("", 1, "a strategy is a mapping"),
        ("a: 1\n2: b\n", 2, "keys are text"),
        ("a: !!python/object:os.system x\n", 1, "only text, numbers"),
        (
            "a: !!python/object/apply:os.system [x]\n",
            1,
            'the tag "tag:yaml.org,2002:python/object/apply:os.system" is not',
        ),
        ("a: 1\nb: !mine {c: 1}\n", 2, 'the tag "!mine" is not read'),
        ("a: 1\n---\nb: 2\n", 2, "not valid YAML"),
        ("a: 1\nb: \x07\n", 2, "special characters are not allowed"),
        ("%YAML 1.3\n---\na: 1\n", 1, "not valid YAML"),
        ("a: 1\nb: " + "x" * MAX_TEXT_BYTES, 2, "longer than 32 KiB"),
        ("a: 1\nb: " + "[" * 5_000, 2, "nested deeper"),
    ],
)
def test_what_is_no_strategy_is_refused_with_its_place(text: str, line: int, description: str) -> None:
    fault = only_fault(text)
    assert description in fault.description
    assert fault.line == line


def test_deep_and_exploding_texts_are_refused() -> None:
    assert "levels" in only_fault("a: " + "[" * 20 + "]" * 20).description
    assert "nested deeper" in only_fault("- " * 9_000 + "a").description
    rounds = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 8))
    assert "values" in only_fault(f"l0: &l0 [x]\n{rounds}\n").description


@given(st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    faults = faults_or_none(text)
    assert faults is None or all(fault.line and fault.column for fault in faults)
    assert faults != []


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_damaged_strategy_is_read_or_refused(data: st.DataObject) -> None:
    lines = reference_text().splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at] = data.draw(st.sampled_from(["", lines[at] + " x", lines[at].replace(":", ""), "  - " + lines[at]]))
    assert faults_or_none("\n".join(lines)) != []
