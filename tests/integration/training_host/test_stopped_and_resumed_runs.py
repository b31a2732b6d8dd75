"""Runs that are stopped at chosen points, and what goes on from them."""

import errno
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from ktrdr_bridge import Cancelled

from services.common.errors import ServiceError, reason_name
from services.host.worker import Interrupted
from services.training_host.checkpoints.places import checkpoint_folders
from services.training_host.checkpoints.store import CheckpointStore
from services.training_host.checkpoints.take_over import take_over
from services.training_host.strategy.check import load_strategy
from services.training_host.trained_model import TrainedModel
from tests.support.checkpoints import cut
from tests.support.no_progress import NoProgress
from tests.support.tiny_trainings import STRATEGY, WALKING, model_files, run_tiny, write_bars

SHORT = {"training.epochs": "6", "training.checkpoints": "{every_epochs: 2, every_seconds: null}"}
WALK = WALKING | {"training.epochs": "3"}


class Stopping(NoProgress):
    """Progress that asks to stop.

    Args:
        checks: How often it is asked whether to stop before it says so.
        phase: Counts only in this phase.
        error: What it says.
    """

    def __init__(self, checks: int = 10**9, phase: str = "train", error: type[Cancelled] = Cancelled) -> None:
        self.phases: list[tuple[str, object]] = []
        self.advanced: list[int] = []
        self.epochs: list[int] = []
        self._left = checks
        self._phase = phase
        self._error = error

    def set_phase(self, name: str, **more: object) -> None:
        self.phases.append((name, more.get("total")))

    def advance(self, completed: int, **_: object) -> None:
        if self.phases[-1][0] == "train":
            self.advanced.append(completed)

    def on_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        assert metrics
        self.epochs.append(epoch)

    def raise_if_cancelled(self) -> None:
        if self.phases[-1][0] == self._phase:
            self._left -= 1
            if self._left < 0:
                raise self._error("enough")


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bars(tmp_path_factory.mktemp("bars") / "bars.csv", count=400)


@pytest.fixture(scope="module")
def whole(bars: Path) -> dict[str, bytes]:
    """The files of a short training that was never stopped."""
    run_tiny(bars.parent / "whole", bars, SHORT)
    return model_files(bars.parent / "whole")


@pytest.fixture(scope="module")
def walked(bars: Path) -> dict[str, bytes]:
    """The files of a training of three folds that was never stopped."""
    run_tiny(bars.parent / "walked", bars, WALK)
    return model_files(bars.parent / "walked")


def stopped(folder: Path, bars: Path, progress: Stopping, overrides: Mapping[str, str]) -> None:
    with pytest.raises(Cancelled):
        run_tiny(folder, bars, overrides, progress)


def resumed(
    folder: Path, earlier: Path, bars: Path, overrides: Mapping[str, str], progress: Stopping | None = None
) -> TrainedModel:
    folder.mkdir()
    strategy = load_strategy(STRATEGY, dict(overrides))
    take_over(earlier / "checkpoints", folder / "checkpoints", session_id=earlier.name, strategy=strategy)
    return run_tiny(folder, bars, overrides, progress)


@pytest.mark.parametrize("checks", [0, 1, 25, 61])
def test_stopped_at_any_batch(tmp_path: Path, bars: Path, whole: dict[str, bytes], checks: int) -> None:
    stopped(tmp_path / "stopped", bars, Stopping(checks), SHORT)
    trained = resumed(tmp_path / "resumed", tmp_path / "stopped", bars, SHORT)
    assert trained.outcomes[0].history.epochs[-1]["epoch_seconds"] > 0
    assert model_files(tmp_path / "resumed") == whole


@pytest.mark.parametrize(("checks", "phase"), [(20, "train"), (60, "train"), (1, "evaluate"), (2, "evaluate")])
def test_walk_forward_stopped_in_any_fold(
    tmp_path: Path, bars: Path, walked: dict[str, bytes], checks: int, phase: str
) -> None:
    stopped(tmp_path / "stopped", bars, Stopping(checks, phase), WALK)
    trained = resumed(tmp_path / "resumed", tmp_path / "stopped", bars, WALK)
    assert len(trained.outcomes) == 3
    assert model_files(tmp_path / "resumed") == walked


def test_a_resumed_run_counts_on(tmp_path: Path, bars: Path) -> None:
    overrides = WALKING | {"training.epochs": "3", "training.early_stopping": "null"}
    stopped(tmp_path / "stopped", bars, Stopping(1, "evaluate"), overrides)
    progress = Stopping()
    trained = resumed(tmp_path / "resumed", tmp_path / "stopped", bars, overrides, progress)
    # Stopped while the second fold was evaluated: it has no epoch left, the third has all of them.
    assert trained.resumed_epochs == 6
    assert [phase for phase in progress.phases if phase[0] == "train"] == [("train", 9), ("train", 9)]
    assert progress.advanced == [6, 6]
    assert progress.epochs == [7, 8, 9]


def test_more_epochs_are_those_of_a_longer_training(tmp_path: Path, bars: Path) -> None:
    longer = SHORT | {"training.epochs": "9"}
    run_tiny(tmp_path / "whole", bars, longer)
    stopped(tmp_path / "stopped", bars, Stopping(0, "evaluate"), SHORT)
    trained = resumed(tmp_path / "resumed", tmp_path / "stopped", bars, longer)
    assert len(trained.outcomes[0].history.epochs) == 9
    assert model_files(tmp_path / "resumed") == model_files(tmp_path / "whole")


def test_fewer_epochs_than_are_done_end_at_once(tmp_path: Path, bars: Path) -> None:
    stopped(tmp_path / "stopped", bars, Stopping(0, "evaluate"), SHORT)
    trained = resumed(tmp_path / "resumed", tmp_path / "stopped", bars, SHORT | {"training.epochs": "2"})
    assert len(trained.outcomes[0].history.epochs) == 6


def test_an_interruption_writes_nothing_and_the_last_checkpoint_counts(
    tmp_path: Path, bars: Path, whole: dict[str, bytes]
) -> None:
    stopped(tmp_path / "stopped", bars, Stopping(61, error=Interrupted), SHORT)
    newest = CheckpointStore(tmp_path / "stopped" / "checkpoints", keep=2).newest()
    assert newest is not None
    assert newest.head.epochs % 2 == 0
    assert newest.loop.document["epoch"] is None, "it is one that was due after an epoch"
    resumed(tmp_path / "resumed", tmp_path / "stopped", bars, SHORT)
    assert model_files(tmp_path / "resumed") == whole


def test_the_one_before_a_damaged_checkpoint_leads_to_the_same_model(
    tmp_path: Path, bars: Path, whole: dict[str, bytes]
) -> None:
    stopped(tmp_path / "stopped", bars, Stopping(90), SHORT)
    assert len(checkpoint_folders(tmp_path / "stopped" / "checkpoints")) == 2
    cut(tmp_path / "stopped" / "checkpoints", part="state.json")
    resumed(tmp_path / "resumed", tmp_path / "stopped", bars, SHORT)
    assert model_files(tmp_path / "resumed") == whole


def test_other_bars_are_refused(tmp_path: Path, bars: Path) -> None:
    stopped(tmp_path / "stopped", bars, Stopping(30), SHORT)
    other = write_bars(tmp_path / "other.csv", count=400, seed=1)
    with pytest.raises(ServiceError) as caught:
        resumed(tmp_path / "resumed", tmp_path / "stopped", other, SHORT)
    assert reason_name(caught.value.reason) == "CHECKPOINT_NOT_FOUND"
    assert "they were changed since" in caught.value.message
    assert "session 'stopped'" in caught.value.message


def test_when_all_checkpoints_have_become_damaged_it_does_not_begin_anew(tmp_path: Path, bars: Path) -> None:
    stopped(tmp_path / "stopped", bars, Stopping(30), SHORT)
    (tmp_path / "resumed").mkdir()
    checkpoints = tmp_path / "resumed" / "checkpoints"
    take_over(
        tmp_path / "stopped" / "checkpoints", checkpoints, session_id="stopped", strategy=load_strategy(STRATEGY, SHORT)
    )
    for folder in checkpoint_folders(checkpoints):
        cut(checkpoints, number=int(folder.name))
    with pytest.raises(ServiceError, match="All that were taken over are damaged"):
        run_tiny(tmp_path / "resumed", bars, SHORT)


def test_a_state_of_another_kind_of_network_is_refused(tmp_path: Path, bars: Path) -> None:
    """The strategy is compared first; this is for states that another version of the trainer wrote."""
    stopped(tmp_path / "stopped", bars, Stopping(30), SHORT)
    store = CheckpointStore(tmp_path / "stopped" / "checkpoints", keep=1)
    newest = store.newest()
    assert newest is not None
    name = next(name for name in newest.loop.tensors if name.startswith("model."))
    newest.loop.tensors[name] = newest.loop.tensors[name][:1].clone()
    store.write(newest)
    with pytest.raises(ServiceError, match="not one of this version of the trainer"):
        resumed(tmp_path / "resumed", tmp_path / "stopped", bars, SHORT)


def test_what_keeps_the_rest_from_being_bit_for_bit_the_same_is_told(tmp_path: Path, bars: Path) -> None:
    stopped(tmp_path / "stopped", bars, Stopping(30), SHORT)
    store = CheckpointStore(tmp_path / "stopped" / "checkpoints", keep=1)
    newest = store.newest()
    assert newest is not None
    elsewhere = {"threads": 8, "libraries": newest.head.libraries | {"torch": "1.0"}}
    store.write(replace(newest, head=newest.head.model_copy(update=elsewhere)))
    with structlog.testing.capture_logs() as logs:
        resumed(tmp_path / "resumed", tmp_path / "stopped", bars, SHORT)
    told = [log for log in logs if log["event"] == "resumed_elsewhere"]
    assert [(log["what"], log["before"]) for log in told] == [("threads", 8), ("torch", "1.0")]
    assert {log["log_level"] for log in told} == {"warning"}


def test_a_full_disk_ends_no_training(
    tmp_path: Path, bars: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes
    calls: list[Path] = []

    def full_at_first(path: Path, content: bytes) -> int:
        calls.append(path)
        if len(calls) < 4:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full_at_first)
    with structlog.testing.capture_logs() as logs:
        run_tiny(tmp_path / "full", bars, SHORT)
    assert [log["event"] for log in logs if log["event"].startswith("checkpoint")] == 3 * ["checkpoint_not_written"]
    assert model_files(tmp_path / "full") == whole
    calls.clear()
    stopped(tmp_path / "stopped", bars, Stopping(61), SHORT)
    assert checkpoint_folders(tmp_path / "stopped" / "checkpoints") == []
