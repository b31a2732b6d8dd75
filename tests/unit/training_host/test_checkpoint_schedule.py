"""When checkpoints are written, and what becomes of those that cannot be."""

from pathlib import Path

import structlog

from services.training_host.checkpoints.checkpoint import Checkpoint
from services.training_host.checkpoints.places import checkpoint_folders
from services.training_host.checkpoints.schedule import LEAST_PAUSE, CheckpointSchedule
from services.training_host.checkpoints.store import CheckpointStore
from services.training_host.strategy.training import Checkpoints
from tests.support.checkpoints import made_up_checkpoint


class World:
    """A schedule over a clock that moves when it is told to."""

    def __init__(self, folder: Path, **rules: float | None) -> None:
        self.now = 0.0
        self.cost = 0.0
        self.epochs = 0
        self.store = CheckpointStore(folder / "checkpoints", keep=100)
        self.schedule = CheckpointSchedule(self.store, Checkpoints(**rules), clock=lambda: self.now)  # type: ignore[arg-type]

    def epoch(self, seconds: float) -> bool:
        """Run an epoch, and tell whether a checkpoint was written after it."""
        before = len(self.written)
        self.now += seconds
        self.epochs += 1
        self.schedule.after_epoch(self.take)
        return len(self.written) > before

    def take(self) -> Checkpoint:
        self.now += self.cost
        return made_up_checkpoint(epochs=self.epochs)

    @property
    def written(self) -> list[Path]:
        return checkpoint_folders(self.store.folder)


def test_after_so_many_epochs(tmp_path: Path) -> None:
    world = World(tmp_path, every_epochs=3, every_seconds=None)
    assert [world.epoch(1000.0) for _ in range(7)] == [False, False, True, False, False, True, False]


def test_after_so_many_seconds(tmp_path: Path) -> None:
    world = World(tmp_path, every_seconds=30.0)
    assert [world.epoch(12.0) for _ in range(6)] == [False, False, True, False, False, True]


def test_whichever_comes_first(tmp_path: Path) -> None:
    world = World(tmp_path, every_epochs=3, every_seconds=30.0)
    assert [world.epoch(seconds) for seconds in (1, 1, 1, 40, 1, 1, 1)] == [
        False,
        False,
        True,
        True,
        False,
        False,
        True,
    ]


def test_never_but_at_a_stop(tmp_path: Path) -> None:
    world = World(tmp_path, every_epochs=None, every_seconds=None)
    assert not any(world.epoch(1e6) for _ in range(3))
    world.schedule.at_stop(world.take)
    assert len(world.written) == 1


def test_writing_never_takes_more_than_a_fiftieth_of_the_time(tmp_path: Path) -> None:
    world = World(tmp_path, every_seconds=30.0)
    world.cost = 6.0
    epochs = 1000
    written = sum(world.epoch(10.0) for _ in range(epochs))
    assert written >= 2
    assert written * world.cost <= world.now / LEAST_PAUSE + world.cost


def test_what_cannot_be_written_is_told_and_tried_again_later(tmp_path: Path) -> None:
    world = World(tmp_path, every_seconds=30.0)
    blocker = tmp_path / "checkpoints"
    blocker.write_text("not a folder")
    with structlog.testing.capture_logs() as logs:
        for seconds in (40.0, 10.0):
            world.now += seconds
            world.schedule.after_epoch(world.take)
    assert [log["event"] for log in logs] == ["checkpoint_not_written"]
    assert logs[0]["log_level"] == "warning"
    blocker.unlink()
    assert world.epoch(25.0)
