"""The folder of a model: what is in it, and that equal trainings write the same."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import torch
from ktrdr.host.v1.errors_pb2 import ErrorReason
from safetensors import safe_open

from services.common.errors import ServiceError
from services.training_host.artifacts.card.reloading import SNIPPET
from services.training_host.artifacts.listing import list_artifacts
from services.training_host.artifacts.model import write_model
from services.training_host.artifacts.version import model_version
from services.training_host.strategy.check import load_strategy
from tests.support.small_models import GRU, LSTM, REGRESSION, SMALL_TEXT, WALK_FORWARD, Small, small

FILES = {
    "features.json", "metadata.json", "metrics.json", "model.safetensors", "model_card.md", "network.json",
    "predictions.parquet", "strategy.yaml", "training.json",
}  # fmt: skip


def write(made: Small, folder: Path, *, session: str = "s1", epoch_seconds: float = 0.5, source: str = "a test") -> str:
    return write_model(
        folder,
        strategy=made.strategy,
        strategy_text=SMALL_TEXT,
        loaded=replace(made.loaded, origin=source),
        dataset=made.dataset,
        outcomes=made.outcomes(epoch_seconds=epoch_seconds),
        model=made.network(),
        facts={"session_id": session, "created_at": "2020-01-01T00:00:00+00:00"},
    )


def read(folder: Path, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / name).read_text("utf-8"))
    return document


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "model"
    write(small(), folder)
    return folder


def test_all_files_are_there_and_nothing_else(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == FILES
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    assert {path.stat().st_mode & 0o444 for path in folder.iterdir()} == {0o444}, "others may read a model"


def test_equal_trainings_have_one_version_whatever_session_clock_and_source(tmp_path: Path) -> None:
    other = write(small(), tmp_path / "b", session="s2", epoch_seconds=0.75, source="a copy")
    versions = {write(small(), tmp_path / "a"), other}
    assert versions == {model_version(list_artifacts(tmp_path / "a"))}
    digests = [{file.name: file.sha256 for file in list_artifacts(tmp_path / name)} for name in "ab"]
    assert {name for name in FILES if digests[0][name] != digests[1][name]} == {"training.json"}
    training = read(tmp_path / "b", "training.json")
    assert training["wall_times"] == [{"fold": 1, "epoch_seconds": [0.75] * 3}]
    assert (training["session_id"], training["data"]["origin"]) == ("s2", "a copy")
    assert [each["name"] for each in training["data"]["datasets"]] == ["AAA 1d", "AAA 1w", "BBB 1d", "BBB 1w"]


def test_another_seed_has_another_version(tmp_path: Path) -> None:
    assert write(small(), tmp_path / "a") != write(small({"training.seed": "6"}), tmp_path / "b")


def test_another_process_writes_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; sys.path[:0] = ['.', 'clients', 'tests/unit/training_host']\n"
        "from test_model_files import small, write\n"
        "print(write(small(), Path(sys.argv[1]) / 'model'))"
    )
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", program, str(tmp_path)]
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    ended = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == model_version(list_artifacts(folder))


def test_weights_say_what_they_are(folder: Path) -> None:
    with safe_open(folder / "model.safetensors", "np") as weights:
        about = json.loads(weights.metadata()["ktrdr"])
        shapes = {name: list(weights.get_tensor(name).shape) for name in weights.keys()}  # noqa: SIM118  # no mapping
    assert (about["strategy"], about["network"]) == ("small", "mlp")
    tensors = read(folder, "network.json")["tensors"]
    assert shapes == {name: tensor["shape"] for name, tensor in tensors.items()}


def test_the_strategy_can_be_trained_again(folder: Path) -> None:
    assert load_strategy((folder / "strategy.yaml").read_text("utf-8")) == small().strategy


def test_metadata_names_data_and_software(folder: Path) -> None:
    metadata, made = read(folder, "metadata.json"), small()
    assert metadata["data"]["fingerprint_sha256"] == made.loaded.fingerprint()
    assert [(each["symbol"], each["timeframe"]) for each in metadata["data"]["series"]] == [
        ("AAA", "1d"), ("AAA", "1w"), ("BBB", "1d"), ("BBB", "1w"),
    ]  # fmt: skip
    assert metadata["data"]["source"] == "SOURCE_REPLAY"
    assert metadata["seed"] == 2
    assert set(metadata["libraries"]) >= {"torch", "numpy", "TA-Lib", "safetensors"}


def test_metrics_hold_the_curve_without_wall_times_and_every_evaluation(folder: Path) -> None:
    metrics = read(folder, "metrics.json")
    (fold,) = metrics["folds"]
    assert fold["epochs"] == [{"train_loss": loss, "val_loss": loss} for loss in (1.5, 1.0, 1.25)]
    assert fold["best_epoch"] == 2
    assert list(fold["parts"]) == ["train", "validation", "test"]
    assert fold["parts"]["test"] == metrics["test"]
    assert fold["backtest"] == metrics["backtest"]
    assert "no slippage" in metrics["backtest_rule"]
    assert {"total_return", "sharpe_ratio", "max_drawdown"} == set(metrics["backtest"]["hold"])
    assert sum(map(sum, metrics["test"]["confusion"])) == metrics["test"]["samples"] == fold["samples"]["test"]


def test_predictions_of_classes_tell_label_answer_decision_and_position(folder: Path) -> None:
    table = pyarrow.parquet.read_table(folder / "predictions.parquet")
    assert table.column_names == [
        "fold", "time", "symbol", "split", "label", "prediction", "probability_down", "probability_flat",
        "probability_up", "decision", "position",
    ]  # fmt: skip
    rows = table.to_pylist()
    assert [(row["time"], row["symbol"]) for row in rows] == sorted((row["time"], row["symbol"]) for row in rows)
    for row in rows:
        chances = {name: row[f"probability_{name}"] for name in ("down", "flat", "up")}
        assert row["prediction"] == max(chances, key=chances.__getitem__)
        decision = row["prediction"] if max(chances.values()) >= np.float32(0.34) else None
        assert row["decision"] == decision
        assert row["position"] == {"down": -1, "up": 1}.get(decision or "", 0)
        assert (row["label"] is None) == (row["split"] == "backtest")
    metrics = read(folder, "metrics.json")
    test = [row for row in rows if row["split"] == "test"]
    assert sum(row["label"] == row["prediction"] for row in test) / len(test) == metrics["test"]["accuracy"]


def test_the_backtest_can_be_followed_from_the_predictions(folder: Path) -> None:
    made, total = small(), 0.0
    rows = pyarrow.parquet.read_table(folder / "predictions.parquet").to_pylist()
    assert {row["position"] for row in rows if row["split"] == "test"} == {-1, 0, 1}
    for symbol, bars in made.dataset.bars.items():
        places = {int(time): index for index, time in enumerate(bars.times)}
        position = 0
        for row in rows:
            if row["symbol"] != symbol or row["split"] not in {"test", "backtest"}:
                continue
            at = places[row["time"].value if hasattr(row["time"], "value") else int(row["time"].timestamp()) * 10**9]
            total -= abs(row["position"] - position) * made.strategy.backtest.cost
            position = row["position"]
            total += position * (bars.close[at + 1] / bars.close[at] - 1)
        total -= abs(position) * made.strategy.backtest.cost
    found = read(folder, "metrics.json")["backtest"]["decisions"]["total_return"]
    assert found == pytest.approx(total / len(made.dataset.bars))


def test_predictions_of_returns(tmp_path: Path) -> None:
    write(small(REGRESSION), tmp_path / "model")
    table = pyarrow.parquet.read_table(tmp_path / "model" / "predictions.parquet")
    assert table.column_names == [
        "fold", "time", "symbol", "split", "return", "prediction", "decision", "position",
    ]  # fmt: skip
    for row in table.to_pylist():
        expected = row["prediction"]
        decision = ("up" if expected > 0 else "down") if abs(expected) >= np.float32(0.0001) else None
        assert (row["decision"], row["position"]) == (decision, {"up": 1, "down": -1}.get(decision or "", 0))
        assert (row["return"] is None) == (row["split"] == "backtest")


def test_all_folds_are_in_predictions_metrics_and_card(tmp_path: Path) -> None:
    write(small(WALK_FORWARD, bars=480), tmp_path / "model")
    table = pyarrow.parquet.read_table(tmp_path / "model" / "predictions.parquet")
    assert set(table["fold"].to_pylist()) == {1, 2, 3}
    metrics = read(tmp_path / "model", "metrics.json")
    assert [fold["number"] for fold in metrics["folds"]] == [1, 2, 3]
    assert metrics["test"]["samples"] == sum(fold["samples"]["test"] for fold in metrics["folds"])
    card = (tmp_path / "model" / "model_card.md").read_text("utf-8")
    assert "3 trainings walk forward" in card
    assert card.count("| test, all folds |") == card.count("| test, last fold |") == 1
    assert "among the first 2 bars after a border" in card


def test_the_card_tells_results_beside_what_needs_no_model_and_its_limits(folder: Path) -> None:
    card = (folder / "model_card.md").read_text("utf-8")
    assert card.startswith("# small\n")
    metrics = read(folder, "metrics.json")
    assert f"{100 * metrics['test']['accuracy']:.1f} %" in card
    assert f"{100 * metrics['test']['majority_accuracy']:.1f} %" in card
    for words in (
        "always the same",
        "| decisions | holding |",
        "no slippage",
        "REPLAY",
        "## Limits",
        "momentum.weak@1w",
    ):
        assert words in card, words
    assert all(f"`{name}`" in card for name in FILES - {"model_card.md"})


@pytest.mark.parametrize("overrides", [{}, GRU, LSTM, REGRESSION], ids=["mlp", "gru", "lstm", "regression"])
def test_the_cards_own_code_reloads_the_network(
    tmp_path: Path, overrides: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = small(overrides)
    write(made, tmp_path / "model")
    card = (tmp_path / "model" / "model_card.md").read_text("utf-8")
    code = card.split("```python\n")[1].split("```")[0]
    assert code == SNIPPET.lstrip()
    monkeypatch.chdir(tmp_path / "model")
    exec(code, {})  # what a reader of the card does
    numbers = [float(word.strip("[](),")) for word in capsys.readouterr().out.replace("tensor", "").split()]
    assert len(numbers) == 2 * made.strategy.outputs
    zeros = torch.zeros([1, made.dataset.sequence_length, len(made.dataset.columns)])
    with torch.inference_mode():
        output = made.network().eval()(zeros if made.dataset.sequence_length > 1 else zeros[:, 0])
    scale = made.dataset.folds[0].target_scale
    answer = output * scale if made.strategy.is_regression else output.softmax(1)
    assert numbers == pytest.approx([*answer[0].tolist(), *answer[0].tolist()], abs=1e-4)


def test_a_disk_that_is_full_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "in the way").write_text("")
    with pytest.raises(ServiceError) as raised:
        write(small(), tmp_path / "in the way" / "model")
    assert raised.value.reason == ErrorReason.ERROR_REASON_STORAGE_FULL


def test_digests_are_those_of_the_files(folder: Path) -> None:
    for file in list_artifacts(folder):
        content = (folder / file.name).read_bytes()
        assert (file.size_bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
