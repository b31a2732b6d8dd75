"""`ktrdr strategy check` as a user runs it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.training_host.strategy_command import application
from tests.support.trainings import REFERENCE, reference_text


def check(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(application, ["check", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


def test_a_valid_strategy_is_told_in_short() -> None:
    code, out, err = check(REFERENCE)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "aapl_daily_swing is valid."
    for line in (
        "symbol     AAPL",
        "timeframe  1d",
        "inputs     9",
        "classes    down, flat, up (forward_return: horizon 5, threshold 0.02)",
    ):
        assert f"  {line}\n" in out


def test_every_fault_is_printed_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(reference_text().replace("rsi, period", "rsi, length").replace("epochs: 60", "epochs: 0"))
    code, out, err = check(file)
    assert (code, out) == (2, "")
    first, second, last = err.splitlines()
    assert first.startswith(f"{file}:10:23: indicators.rsi_14.length: unknown key")
    assert second.startswith(f"{file}:41:3: training.epochs: should be greater than or equal to 1")
    assert last == f"{file} is invalid: 2 faults."


def test_changes_are_checked_too() -> None:
    code, out, _ = check(REFERENCE, "--set", "training.labels={source: zigzag, threshold: 0.05}")
    assert code == 0
    assert "classes    down, up (zigzag: threshold 0.05)" in out
    code, _, err = check(REFERENCE, "--set", "training.epochs=0")
    assert code == 2
    assert "training.epochs: should be greater than or equal to 1, not 0 (set by an override)" in err


def test_what_goes_nowhere_is_noted() -> None:
    code, out, _ = check(REFERENCE, "--set", "nn_inputs=[{fuzzy_set: momentum}]")
    assert code == 0
    assert 'note: fuzzy set "trend" is not in nn_inputs' in out
    assert 'note: indicator "ppo" goes into no input' in out
    assert '"rsi_14"' not in out


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), (b"\xff\xfe", "not UTF-8")])
def test_an_unreadable_file_is_one_line(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "strategy.yaml"
    if content is not None:
        file.write_bytes(content)
    code, out, err = check(file)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1
