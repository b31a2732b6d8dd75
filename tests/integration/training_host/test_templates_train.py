"""What `ktrdr strategy init` writes is trained on the recorded history as it is."""

import csv
from pathlib import Path

import pytest

from services.training_host.bars.local_file import load_local_file
from services.training_host.checkpoints.store import CheckpointStore
from services.training_host.strategy.check import load_strategy
from services.training_host.strategy.effective import effective_text
from services.training_host.strategy_cli.init import Template, template_text
from services.training_host.strategy_cli.summary import summary
from services.training_host.training_run import TrainingRun
from tests.support.no_progress import NoProgress
from tests.support.recorded_bars import DailyBar, recorded_bars

SHORT = {"training.epochs": "1", "training.device": "cpu", "training_data.start_date": '"2008-01-01"'}


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with the daily bars of the three symbols."""
    path = tmp_path_factory.mktemp("recorded") / "bars.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["symbol", *DailyBar._fields])
        for symbol in ("AAPL", "IBM", "MSFT"):
            writer.writerows((symbol, bar.time.isoformat(), *bar[1:]) for bar in recorded_bars(symbol))
    return path


@pytest.mark.parametrize("template", Template)
def test_a_template_trains(template: Template, bars: Path, tmp_path: Path) -> None:
    text = template_text(template)
    strategy = load_strategy(text, SHORT)
    model = TrainingRun(
        strategy=strategy,
        strategy_text=effective_text(text, SHORT),
        overrides=SHORT,
        load_bars=lambda strategy: load_local_file(bars, strategy),
        folder=tmp_path / "model",
        session_id="template",
        progress=NoProgress(),
        checkpoints=CheckpointStore(tmp_path / "checkpoints", keep=1),
    ).run()
    assert [column.name for column in model.dataset.columns] == summary(strategy)["inputs"]
    assert len(model.outcomes) == (4 if template is Template.WALK_FORWARD else 1)
    for outcome in model.outcomes:
        assert len(outcome.fold.split.test) > 100
    assert load_strategy((tmp_path / "model" / "strategy.yaml").read_text("utf-8")) == strategy
