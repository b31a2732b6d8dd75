"""Any single change to a valid strategy is read, or is refused with faults whose places exist in the text.

What is read is valid by the JSON Schema too: editors mark no mistake that is none.
"""

import io
import re
from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from services.training_host.strategy.check import load_strategy
from services.training_host.strategy.fault import Fault, StrategyInvalid
from services.training_host.strategy.path import Path, path_text, value_at
from services.training_host.strategy.schema import strategy_schema
from services.training_host.strategy.source import Document, parse
from services.training_host.strategy_cli.init import Template, template_text
from services.training_host.strategy_cli.summary import summary, summary_lines
from tests.support.json_schema import SchemaValidator
from tests.support.trainings import REFERENCE, reference_text

TEXTS = [
    reference_text(),
    REFERENCE.with_name("tech_daily_weekly.yaml").read_text("utf-8"),
    *(template_text(template) for template in Template),
]
VALUES = [parse(text).values for text in TEXTS]
VALIDATOR = SchemaValidator(strategy_schema())
OTHER_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 3, 10**400, 0.5, 1e308, float("nan"), float("-inf"), "", "x", "all", "rsi_14", "none",
    [], [1, 2, 3], [[]], ["1d"], {}, {"type": "rsi"}, {"type": None}, {"mode": "single"}, {"fuzzy_set": "momentum"},
)  # fmt: skip
OTHER_KEYS = (
    "x",
    "type",
    "list",
    "preset",
    "indicator",
    "training",
    "triangular",
    "",
    "a.b",
    "[key]",
    "ä b",
    "1",
    "null",
)


def paths_below(node: Any, path: Path = ()) -> list[Path]:
    steps: list[Any] = (
        list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
    )
    return [found for step in steps for found in [(*path, step), *paths_below(node[step], (*path, step))]]


@st.composite
def mutations(draw: st.DrawFn) -> dict[str, Any]:
    values: dict[str, Any] = deepcopy(draw(st.sampled_from(VALUES)))
    *above, last = draw(st.sampled_from(paths_below(values)))
    holder = value_at(values, above)
    kind = draw(st.sampled_from(["rename", "remove", "replace"] if isinstance(last, str) else ["remove", "replace"]))
    if kind == "replace":
        holder[last] = draw(st.sampled_from(OTHER_VALUES))
    elif kind == "remove":
        del holder[last]
    else:
        entries = list(holder.items())
        holder.clear()
        new = draw(st.sampled_from(OTHER_KEYS))
        holder.update((new if key == last else key, value) for key, value in entries)
    return values


def written(values: dict[str, Any]) -> str:
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None
    yaml.allow_unicode = True
    yaml.width = 1_000
    yaml.dump(values, stream)
    return stream.getvalue()


def faults_of_text(text: str) -> list[Fault] | None:
    try:
        strategy = load_strategy(text)
    except StrategyInvalid as error:
        return error.faults
    assert summary(strategy)["input_count"] > 0
    assert summary_lines(strategy)
    return None


def place_exists(fault: Fault, document: Document, lines: list[str]) -> bool:
    """Tell whether a fault's key stands at its place, or, where the key is missing, the nearest key above it."""
    known = {path_text(path): path for path in document.keys}
    field = fault.field
    while field not in known:
        field = re.sub(r"(\.|^)[^.\[\]]*$|\[\d+\]$", "", field)
    path = known[field]
    if fault.line is None or fault.column is None or document.keys[path] != (fault.line, fault.column):
        return False
    there = lines[fault.line - 1][fault.column - 1 :]
    key = path[-1] if path else None
    return there.lstrip("'\"? ").startswith(key) if isinstance(key, str) else there != ""


@given(mutations())
@settings(max_examples=60, deadline=None)
def test_a_changed_strategy_is_read_or_refused_with_places(values: dict[str, Any]) -> None:
    text = written(values)
    faults = faults_of_text(text)
    assert faults != []
    document = parse(text)
    if faults is None:
        assert VALIDATOR.errors(document.values) == []
    for fault in faults or []:
        assert place_exists(fault, document, text.splitlines()), fault
        assert fault.description


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_any_override_is_taken_or_refused_with_its_path(data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(VALUES) - 1))
    known = [path_text(path) for path in paths_below(VALUES[index])]
    path = data.draw(st.sampled_from(known)) + data.draw(st.sampled_from(["", "", ".x", "[0]", "[9]", "."]))
    value = data.draw(
        st.sampled_from(["", "null", "3", "x", "{}", "[]", "[1, 2, 3]", "{type: rsi}", "[1", "a: b: c", "&a [*a]"])
    )
    try:
        load_strategy(TEXTS[index], {path: value})
    except StrategyInvalid as error:
        faults = error.faults
    else:
        faults = []
    for fault in faults:
        assert (fault.line is None) == ("override" in fault.description), fault
