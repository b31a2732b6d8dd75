"""`ktrdr strategy check` as a user runs it."""

import csv
import json
from pathlib import Path

import pytest
from ktrdr_client.cli.main import main
from typer.testing import CliRunner

from services.training_host.strategy_command import application
from tests.support.trainings import REFERENCE, reference_text

SEVERAL = REFERENCE.with_name("tech_daily_weekly.yaml")


def check(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(application, ["check", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def invalid(tmp_path: Path) -> Path:
    file = tmp_path / "bad.yaml"
    file.write_text(reference_text().replace("rsi, period", "rsi, length").replace("epochs: 60", "epochs: 0"))
    return file


def test_what_will_be_trained_is_told_in_short() -> None:
    code, out, err = check(REFERENCE, SEVERAL)
    assert (code, err) == (0, "")
    assert out.startswith(f"{REFERENCE} is valid: aapl_daily_swing\n")
    for line in (
        "symbols     AAPL",
        "inputs      9: momentum.oversold, momentum.neutral, momentum.overbought, trend.down, trend.flat,",
        "network     mlp, hidden layers 32, 16",
        "labels      forward_return (horizon 5, threshold 0.02): classes down, flat, up",
        "decisions   from a probability of 0.55 on, long and short, each trade costs 0.05 %",
        "evaluation  holdout, 70% train, 15% validation, 15% test",
        "symbols     AAPL, MSFT, IBM",
        "timeframes  1d, 1w; a sample for each bar of 1d",
        "inputs      8: momentum.weak@1d, momentum.strong@1d, momentum.weak@1w, momentum.strong@1w,",
        "network     gru, hidden layers 48, reads 20 bars for each answer",
    ):
        assert f"  {line}\n" in out


def test_every_fault_is_printed_with_its_place(invalid: Path) -> None:
    code, out, err = check(invalid)
    assert (code, out) == (2, "")
    first, second, last = err.splitlines()
    assert first.startswith(f"{invalid}:10:23: indicators.rsi_14.length: unknown key")
    assert second.startswith(f"{invalid}:41:3: training.epochs: should be greater than or equal to 1")
    assert last == f"{invalid} is invalid: 2 faults."


def test_one_wrong_file_among_others_is_enough_for_the_exit_code(invalid: Path) -> None:
    code, out, err = check(REFERENCE, invalid, SEVERAL)
    assert code == 2
    assert [line for line in out.splitlines() if "is valid" in line] == [
        f"{REFERENCE} is valid: aapl_daily_swing",
        f"{SEVERAL} is valid: tech_daily_weekly",
    ]
    assert f"{invalid} is invalid: 2 faults." in err


def test_json_has_faults_and_summary(invalid: Path) -> None:
    code, out, err = check(REFERENCE, invalid, "--output", "json")
    assert (code, err) == (2, "")
    good, bad = json.loads(out)["strategies"]
    assert (good["valid"], good["faults"], good["summary"]["inputs"][-1]) == (True, [], "natr_14")
    assert good["summary"]["input_count"] == len(good["summary"]["inputs"]) == 9
    assert (bad["valid"], bad["summary"]) == (False, None)
    assert [(fault["field"], fault["line"], fault["column"]) for fault in bad["faults"]] == [
        ("indicators.rsi_14.length", 10, 23),
        ("training.epochs", 41, 3),
    ]
    lines = check(REFERENCE, invalid, "-o", "jsonl")[1].splitlines()
    assert [json.loads(line) for line in lines] == [good, bad]


def test_csv_has_a_row_for_each_fault(invalid: Path) -> None:
    code, out, _ = check(REFERENCE, invalid, "-o", "csv")
    assert code == 2
    rows = list(csv.DictReader(out.splitlines()))
    assert [(row["file"], row["line"], row["field"]) for row in rows] == [
        (str(invalid), "10", "indicators.rsi_14.length"),
        (str(invalid), "41", "training.epochs"),
    ]


def test_the_format_may_be_asked_for_before_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--output", "json", "strategy", "check", str(REFERENCE)], {}) == 0
    assert json.loads(capfd.readouterr().out)["strategies"][0]["valid"] is True
    assert main(["--output", "json", "strategy", "check", str(REFERENCE), "-o", "table"], {}) == 0
    assert "is valid" in capfd.readouterr().out


def test_changes_are_checked_too() -> None:
    code, out, _ = check(REFERENCE, "--set", "training.labels={source: zigzag, threshold: 0.05}")
    assert code == 0
    assert "labels      zigzag (threshold 0.05): classes down, up" in out
    returns = ("decisions={output_format: regression, return_threshold: 0.01}", "training.loss=huber")
    labels = "training.labels={source: forward_return, horizon: 5}"
    changes = [word for change in (*returns, labels, "backtest={short: false}") for word in ("--set", change)]
    out = check(REFERENCE, *changes)[1]
    assert "decisions   from an expected return of 1 % on, long only, each trade costs 0.05 %" in out
    code, _, err = check(REFERENCE, "--set", "training.epochs=0")
    assert code == 2
    assert "training.epochs: should be greater than or equal to 1, not 0 (set by an override)" in err


def test_a_strategy_may_come_from_stdin() -> None:
    done = CliRunner().invoke(application, ["check", "-"], input=reference_text())
    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, "- is valid: aapl_daily_swing")


def test_inputs_that_follow_the_level_of_prices_are_noted() -> None:
    assert "note" not in check(REFERENCE, SEVERAL)[1]
    changes = ["--set", "fuzzy_sets.band.indicator=bb_20.upper", "--set", "indicators.natr_14.type=atr"]
    code, out, _ = check(REFERENCE, *changes)
    assert code == 0
    notes = " ".join(" ".join(out.splitlines()).split())
    assert 'note fuzzy set "band" is made from bb_20.upper, which follows the level of prices or volumes' in notes
    assert 'note raw input "natr_14" follows the level of prices or volumes' in notes
    (record,) = json.loads(check(REFERENCE, *changes, "-o", "json")[1])["strategies"]
    assert len(record["summary"]["notes"]) == 2


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), (b"\xff\xfe", "not UTF-8")])
def test_an_unreadable_file_is_a_fault(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "strategy.yaml"
    if content is not None:
        file.write_bytes(content)
    code, out, err = check(file)
    assert (code, out) == (2, "")
    assert said in err.splitlines()[0]
