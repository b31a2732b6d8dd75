"""`ktrdr strategy init`: strategies to start from."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.training_host.strategy.check import load_strategy
from services.training_host.strategy_cli.init import Template, template_text
from services.training_host.strategy_command import application


def init(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(application, ["init", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize("template", Template)
def test_a_template_is_valid_and_trains_on_the_replayed_bars(template: Template, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    code, out, err = init(file, "--template", template)
    assert (code, out) == (0, "")
    assert f"ktrdr strategy check {file}" in err
    strategy = load_strategy(file.read_text("utf-8"))
    assert strategy.name == "mine"
    assert set(strategy.symbols) <= {"AAPL", "IBM", "MSFT"}
    assert set(strategy.timeframes) <= {"1d", "1w"}
    data = strategy.training_data
    assert (str(data.start_date), str(data.end_date)) == ("2000-03-01", "2013-03-01")


def test_templates_show_different_kinds_of_training() -> None:
    single, several, walk = (load_strategy(template_text(template)) for template in Template)
    assert (single.model.type, len(single.symbols), single.evaluation.mode) == ("mlp", 1, "holdout")
    assert (several.model.type, len(several.symbols), len(several.timeframes)) == ("gru", 3, 2)
    assert (walk.is_regression, walk.evaluation.mode) == (True, "walk_forward")


def test_what_is_there_is_overwritten_by_force_only(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("precious")
    code, _, err = init(file)
    assert (code, file.read_text()) == (1, "precious")
    assert err == f"{file} exists already; --force overwrites it.\n"
    assert init(file, "--force")[0] == 0
    assert load_strategy(file.read_text("utf-8")).model.type == "mlp"


def test_a_file_name_that_cannot_be_a_name_leaves_the_name_alone(tmp_path: Path) -> None:
    file = tmp_path / "my first.yaml"
    assert f"ktrdr strategy check '{file}', then ktrdr train '{file}'" in init(file)[2]
    assert load_strategy(file.read_text("utf-8")).name == "my_strategy"
    number = tmp_path / "2024.yaml"
    init(number)
    assert load_strategy(number.read_text("utf-8")).name == "2024"


def test_without_a_file_it_is_strategy_yaml_and_a_dash_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert init()[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["strategy.yaml"]
    code, out, err = init("-", "--template", "several")
    assert (code, err) == (0, "")
    assert out == template_text(Template.SEVERAL)
    assert [path.name for path in tmp_path.iterdir()] == ["strategy.yaml"]


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    code, out, err = init(tmp_path / "no" / "mine.yaml")
    assert (code, out) == (1, "")
    assert err.endswith("cannot be written: No such file or directory.\n")


def test_a_folder_is_not_overwritten(tmp_path: Path) -> None:
    assert init(tmp_path, "--force") == (1, "", f"{tmp_path} is a folder; name a file in it.\n")
