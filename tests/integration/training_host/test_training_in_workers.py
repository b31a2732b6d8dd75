"""Real trainings in real workers, followed over the wire."""

import hashlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet
import pytest
from ktrdr.host.v1 import host_pb2
from ktrdr.host.v1.metrics_pb2 import MetricSeries
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.training.v1.training_pb2 import StoredBars, TrainingResult, TrainingSpec
from safetensors.numpy import load_file

from services.training_host.strategy.check import load_strategy
from tests.support.eventually import eventually
from tests.support.recorded_bars import write_recorded_bars
from tests.support.training_service import TrainingCalls, local_spec, reason_and_fields, served_training_host
from tests.support.trainings import reference_text


@pytest.fixture
async def calls(tmp_path: Path) -> AsyncIterator[TrainingCalls]:
    async with served_training_host(tmp_path / "home", slots=2, ib_host="127.0.0.1:1") as calls:
        yield calls


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    return write_recorded_bars("AAPL", tmp_path / "AAPL.csv")


async def all_points(calls: TrainingCalls, session_id: str) -> dict[str, MetricSeries]:
    """Return all points of a session, by series; they fit into one answer here."""
    request = host_pb2.GetStatusRequest(session_ids=[session_id])
    answer = await calls.host.GetStatus(request, timeout=60)
    assert answer.snapshot_complete
    assert not answer.more
    (session,) = answer.sessions
    assert session.final
    return {series.name: series for series in session.metrics}


def result_of(session: Session) -> TrainingResult:
    assert session.state == Session.STATE_COMPLETED, session.error
    result = TrainingResult()
    assert session.result.Unpack(result)
    return result


async def test_a_training_from_bars_to_a_model(calls: TrainingCalls, bars: Path) -> None:
    epochs = 6
    spec = local_spec(bars, training__epochs=str(epochs))
    await calls.start(spec, session_id="s1")
    await calls.start(spec, session_id="s2")
    result = result_of(await calls.end("s1"))

    assert (result.strategy, list(result.symbols), result.bars) == ("aapl_daily_swing", ["AAPL"], 3270)
    assert result.first_bar_time.ToDatetime(UTC) == datetime(2000, 3, 1, tzinfo=UTC)
    assert result.last_bar_time.ToDatetime(UTC) == datetime(2013, 3, 1, tzinfo=UTC)
    # 3,270 bars, 100 of history and 5 without a label leave 3,165; 5 are purged before validation, 5 before the test.
    assert (result.train_samples, result.validation_samples, result.test_samples) == (2211, 469, 475)
    assert (result.epochs, result.seed, result.stopped_early) == (epochs, 7, False)
    assert (result.resumed_epochs, len(result.folds), list(result.timeframes)) == (0, 0, ["1d"])
    assert 1 <= result.best_epoch <= epochs
    assert 0 < result.test_accuracy < 1
    assert result.majority_accuracy == pytest.approx(180 / 475)
    assert result.parameters == (9 * 32 + 32) + (32 * 16 + 16) + (16 * 3 + 3)

    points = await all_points(calls, "s1")
    batches = -(-2211 // 64)
    assert list(points["batch_loss"].steps) == list(range(1, batches + 1)) * epochs
    for name in (
        "train_loss", "val_loss", "train_accuracy", "val_accuracy", "learning_rate", "gradient_norm", "epoch_seconds",
        "samples_per_second",
    ):  # fmt: skip
        assert list(points[name].steps) == list(range(1, epochs + 1))
    assert result.best_validation_loss == min(points["val_loss"].values)

    folder = Path(result.artifact_folder)
    check_artifacts(folder, result)
    assert [path.name for path in folder.parent.iterdir()] == ["model"]

    # The same seed, data and machine: the same weights, bit for bit, in another process.
    same = result_of(await calls.end("s2"))
    assert {name for name, digest in sha256s(same).items() if digest != sha256s(result)[name]} == {"training.json"}
    assert same.model_version == result.model_version
    assert (same.data_fingerprint, same.best_validation_loss) == (result.data_fingerprint, result.best_validation_loss)


def sha256s(result: TrainingResult) -> dict[str, str]:
    return {artifact.name: artifact.sha256 for artifact in result.artifacts}


def check_artifacts(folder: Path, result: TrainingResult) -> None:
    assert {path.name for path in folder.iterdir()} == set(sha256s(result))
    for artifact in result.artifacts:
        content = (folder / artifact.name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (artifact.size_bytes, artifact.sha256)

    weights = load_file(folder / "model.safetensors")
    assert {name: array.shape for name, array in weights.items()}["0.weight"] == (32, 9)
    strategy = load_strategy((folder / "strategy.yaml").read_text("utf-8"))
    assert strategy == load_strategy(reference_text(), {"training.epochs": str(result.epochs)})

    features = json.loads((folder / "features.json").read_text())
    assert features["classes"] == ["down", "flat", "up"]
    assert [each["name"] for each in features["inputs"]][-1] == "natr_14"
    assert features["inputs"][-1]["scale"] != 1.0
    assert features["inputs"][0]["membership"] == {"type": "trapezoidal", "parameters": [0.0, 0.0, 30.0, 45.0]}

    metrics = json.loads((folder / "metrics.json").read_text())
    (fold,) = metrics["folds"]
    assert len(fold["epochs"]) == result.epochs
    assert fold["parts"]["test"]["accuracy"] == result.test_accuracy == result.test.accuracy
    assert fold["samples"]["purged"] == 10
    assert metrics["test"] == fold["parts"]["test"]
    assert result.backtest.bars == metrics["backtest"]["bars"]

    metadata = json.loads((folder / "metadata.json").read_text())
    assert metadata["data"]["fingerprint_sha256"] == result.data_fingerprint
    assert metadata["seed"] == 7
    assert set(metadata["libraries"]) >= {"torch", "numpy", "TA-Lib"}
    training = json.loads((folder / "training.json").read_text())
    assert (training["session_id"], training["device"], training["resumed_epochs"]) == ("s1", result.device, 0)
    assert training["data"]["origin"].endswith("AAPL.csv")

    predictions = pyarrow.parquet.read_table(folder / "predictions.parquet")
    assert predictions.column_names == [
        "fold", "time", "symbol", "split", "label", "prediction", "probability_down", "probability_flat",
        "probability_up", "decision", "position",
    ]  # fmt: skip
    rows = predictions.to_pylist()
    samples = [row for row in rows if row["split"] != "backtest"]
    assert len(samples) == result.train_samples + result.validation_samples + result.test_samples
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    test = [row for row in rows if row["split"] == "test"]
    assert len(test) == result.test_samples
    assert sum(row["label"] == row["prediction"] for row in test) / len(test) == pytest.approx(result.test_accuracy)
    for row in test[:50]:
        chances = {name: row[f"probability_{name}"] for name in ("down", "flat", "up")}
        assert sum(chances.values()) == pytest.approx(1, abs=1e-5)
        assert max(chances, key=chances.__getitem__) == row["prediction"]


async def test_a_cancelled_training_stops_by_itself_and_leaves_no_model(
    tmp_path: Path, calls: TrainingCalls, bars: Path
) -> None:
    await calls.start(local_spec(bars, training__epochs="100000", training__early_stopping="null"), session_id="long")

    async def trains() -> bool:
        progress = (await calls.session("long")).progress
        return progress.phase == "train" and progress.completed >= 2

    await eventually(trains, timeout_seconds=150)
    progress = (await calls.session("long")).progress
    assert (progress.total, progress.unit) == (100_000, "epoch")
    await calls.host.CancelSession(host_pb2.CancelSessionRequest(session_id="long", reason="seen enough"), timeout=60)
    session = await calls.end("long")
    assert session.state == Session.STATE_CANCELLED
    assert "seen enough" in session.error.message
    points = await all_points(calls, "long")
    assert list(points["val_loss"].steps) == list(range(1, len(points["val_loss"].steps) + 1))
    assert list((tmp_path / "home/training-host/sessions/long/artifacts").iterdir()) == []


async def test_bars_that_cannot_be_had_fail_the_training_and_say_what_to_do(
    calls: TrainingCalls, tmp_path: Path
) -> None:
    path = write_recorded_bars("IBM", tmp_path / "IBM.csv")
    early = local_spec(path, training_data__start_date='"1990-01-01"', training_data__end_date='"1990-06-30"')
    await calls.start(TrainingSpec(strategy=reference_text(), stored=StoredBars()), session_id="absent-host")
    await calls.start(early, session_id="other-range")

    absent = await calls.end("absent-host")
    assert absent.state == Session.STATE_FAILED
    assert reason_and_fields(absent.error)[0] == "BAR_SOURCE_UNAVAILABLE"
    assert "the IB host at 127.0.0.1:1" in absent.error.message
    assert "Start the IB host" in absent.error.message

    missing = await calls.end("other-range")
    assert missing.state == Session.STATE_FAILED
    assert reason_and_fields(missing.error)[0] == "BARS_MISSING"
    assert "ktrdr data load AAPL 1d --start 1990-01-01 --end 1990-06-30" in missing.error.message
