"""docs/strategy.md is held to the format."""

import re
from pathlib import Path

from typer.testing import CliRunner

from services.training_host.strategy.check import load_strategy
from services.training_host.strategy.schema import strategy_schema
from services.training_host.strategy.training_data import TIMEFRAMES
from services.training_host.strategy_command import application

PAGE = (Path(__file__).parents[3] / "docs" / "strategy.md").read_text("utf-8")
WHOLE, FAULTY = re.findall(r"```yaml\n(name: .*?)```", PAGE, re.DOTALL)


def test_its_strategy_is_valid() -> None:
    strategy = load_strategy(WHOLE)
    assert list(strategy.indicators) == ["rsi_14", "bb_20", "natr_14"]


def test_its_fragments_are_valid_together_with_it() -> None:
    ((evaluation, split),) = re.findall(r"evaluation: (\{mode: walk.*\})\ntraining:\n  data_split: (\{.*?\})", PAGE)
    strategy = load_strategy(WHOLE, {"evaluation": evaluation, "training.data_split": split})
    assert strategy.evaluation.mode == "walk_forward"
    for arguments in re.findall(r"^\$ ktrdr train swing.yaml (.*?)(?: +#.*)?$", PAGE, re.MULTILINE):
        words = re.findall(r"--set (?:'([^']*)'|(\S+))", arguments)
        assert words
        load_strategy(WHOLE, dict((quoted or plain).split("=", 1) for quoted, plain in words))


def test_its_faults_are_what_the_command_says(tmp_path: Path) -> None:
    (tmp_path / "faulty.yaml").write_text(FAULTY)
    done = CliRunner().invoke(application, ["check", str(tmp_path / "faulty.yaml")])
    said = done.stderr.replace(f"{tmp_path}/", "")
    assert done.exit_code == 2
    assert f"```\n$ ktrdr strategy check faulty.yaml\n{said}```" in PAGE


def test_every_key_and_value_is_there() -> None:
    schema = strategy_schema()
    indicators = {
        alternative["$ref"].rpartition("/")[2]
        for alternative in next(iter(schema["properties"]["indicators"]["patternProperties"].values()))["oneOf"]
    }
    for name, part in {"Strategy": schema, **schema["$defs"]}.items():
        if name in indicators:
            continue
        for key, about in part["properties"].items():
            assert re.search(rf"\b{key}\b", PAGE), f"{name}.{key}"
            for value in [*about.get("enum", []), about.get("const")]:
                if isinstance(value, str):
                    assert re.search(rf"\b{re.escape(value)}\b", PAGE), f"{name}.{key}: {value}"
    assert " ".join(TIMEFRAMES) in PAGE
