"""docs/indicators.md tells of the indicators what they are."""

import re
from pathlib import Path

from services.training_host.indicators.definition import INDICATOR_TYPES, IndicatorDefinition
from tests.support.indicators import parameters

ROW = re.compile(r"\| `\w+` \| \w")
PAGE = Path(__file__).parents[3] / "docs" / "indicators.md"


def row(name: str, kind: type[IndicatorDefinition]) -> str:
    """The line of an indicator in the tables of the page."""
    given = ", ".join(f"`{each}` {field.default}" for each, field in parameters(kind).items())
    outputs = "<br>".join(
        f"`{output}`{'' if output in kind.scale_free else ' (u)'}: {told}".replace("|", "\\|")
        for output, told in kind.output_descriptions.items()
    )
    warm_up = kind.model_validate({"type": name}).warm_up_bars
    return f"| `{name}` | {kind.title} | {given} | {outputs} | {warm_up} |"


def test_each_indicator_is_told_as_it_is_and_none_that_is_not_there() -> None:
    told = [line for line in PAGE.read_text("utf-8").splitlines() if ROW.match(line)]
    wanted = {row(name, kind) for name, kind in INDICATOR_TYPES.items()}
    assert sorted(told) == sorted(wanted)
