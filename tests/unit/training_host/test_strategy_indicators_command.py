"""`ktrdr strategy indicators`: what a strategy can be made from."""

import csv
import json

import pytest
from ktrdr_client.cli.root import root_command
from typer.completion import shell_complete
from typer.testing import CliRunner

from services.training_host.indicators.definition import INDICATOR_TYPES
from services.training_host.strategy_cli import indicators as indicators_command
from services.training_host.strategy_command import application


def indicators(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(application, ["indicators", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_all_are_listed_with_what_matters() -> None:
    code, out, err = indicators()
    assert (code, err) == (0, "")
    titles, *lines = out.splitlines()
    assert titles.split() == ["TYPE", "INDICATOR", "PARAMETERS", "OUTPUTS", "READS", "WARM-UP"]
    listed = {line.split()[0]: line for line in lines[: lines.index("")]}
    assert list(listed) == list(INDICATOR_TYPES)
    for part in ("Bollinger bands", "period=20 deviations=2.0", "upper* middle* lower* percent_b width", "close", "19"):
        assert part in listed["bbands"]


def test_one_is_told_in_detail() -> None:
    code, out, _ = indicators("bbands")
    assert code == 0
    assert out.startswith("bbands: Bollinger bands\n")
    assert "my_bbands: {type: bbands, period: 20, deviations: 2.0}" in out
    rows = [" ".join(line.split()) for line in out.splitlines()]
    assert "period 20 2 … 1000 Closes in the window." in rows
    assert any(row.startswith("deviations 2.0 > 0 … 20 ") for row in rows)
    assert any(row.startswith("my_bbands.percent_b ") and row.endswith(" yes") for row in rows)
    assert any(row.startswith("my_bbands.upper ") and row.endswith(" no") for row in rows)
    assert "my_rsi  " in indicators("rsi")[1]  # one output has no name of its own


@pytest.mark.parametrize("name", INDICATOR_TYPES)
def test_every_indicator_explains_itself(name: str) -> None:
    record = json.loads(indicators(name, "--output", "json")[1])
    assert record["type"] == name
    assert record["title"]
    assert record["description"]
    assert set(record["inputs"]) <= {"open", "high", "low", "close", "volume"}
    assert [output["name"] for output in record["outputs"]] == list(INDICATOR_TYPES[name].outputs)
    assert all(output["description"] for output in record["outputs"])
    assert all(parameter["description"] and parameter["allowed"] for parameter in record["parameters"])
    assert record["warm_up_bars"] >= 0
    example = {"type": name, **{parameter["name"]: parameter["default"] for parameter in record["parameters"]}}
    assert INDICATOR_TYPES[name].model_validate(example).warm_up_bars == record["warm_up_bars"]


def test_other_formats_have_the_same() -> None:
    whole = json.loads(indicators("-o", "json")[1])["indicators"]
    assert [record["type"] for record in whole] == list(INDICATOR_TYPES)
    assert [json.loads(line) for line in indicators("-o", "jsonl")[1].splitlines()] == whole
    rows = list(csv.DictReader(indicators("-o", "csv")[1].splitlines()))
    assert [row["type"] for row in rows] == list(INDICATOR_TYPES)
    assert next(row for row in rows if row["type"] == "macd")["parameters"] == "fast=12 slow=26 signal=9"


def test_types_are_completed_in_a_shell(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMP_WORDS", "ktrdr strategy indicators ht_")
    monkeypatch.setenv("COMP_CWORD", "3")
    assert shell_complete(root_command(), {}, "ktrdr", "_KTRDR_COMPLETE", "complete_bash") == 0
    assert capfd.readouterr().out.split() == ["ht_dcperiod", "ht_sine", "ht_trendline"]


def test_an_unknown_type_is_refused_with_what_may_be_meant() -> None:
    code, out, err = indicators("bband")
    assert (code, out) == (2, "")
    assert err == 'no indicator "bband"; see: ktrdr strategy indicators; did you mean "bbands"?\n'
    assert indicators("RSI")[2].endswith('did you mean "rsi"?\n')


def test_a_narrow_terminal_sees_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indicators_command, "terminal_width", lambda **_: 80)
    _, out, _ = indicators()
    assert out.split()[:3] == ["TYPE", "INDICATOR", "WARM-UP"]
    assert max(map(len, out.splitlines())) <= 90
    monkeypatch.setattr(indicators_command, "terminal_width", lambda **_: 120)
    assert "percent_b" in indicators()[1]
