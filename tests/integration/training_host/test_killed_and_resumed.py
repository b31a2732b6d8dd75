"""Workers that are killed or stopped anywhere, and others that go on: bit for bit the same as one that never was."""

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from ktrdr_bridge import read_control

from services.host.folder import SessionFolder
from services.host.records import ResultRecord
from services.training_host.checkpoints.places import checkpoint_folders
from tests.support.tiny_trainings import WALKING, model_files, resumed_epochs, tiny_spec, write_bars
from tests.support.training_victim import Moment, TrainingVictim

pytestmark = pytest.mark.kill


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sessions")


@pytest.fixture(scope="module")
def victim(root: Path) -> Iterator[TrainingVictim]:
    with TrainingVictim(root) as victim:
        yield victim


@pytest.fixture(scope="module")
def bars(root: Path) -> Path:
    return write_bars(root.parent / "bars.csv")


def newest(session: SessionFolder) -> int:
    """Return the number of the newest checkpoint."""
    return max((int(folder.name) for folder in checkpoint_folders(session.checkpoints)), default=0)


def outcome(session: SessionFolder) -> str:
    record = ResultRecord.load(session.result_record)
    return "" if record is None else record.outcome


def test_killed_at_random_again_and_again(victim: TrainingVictim, bars: Path) -> None:
    spec = tiny_spec(bars, {"training.checkpoints": "{every_epochs: 2, every_seconds: null}"})
    whole = victim.session("whole", spec)
    assert victim.run(whole) == 0
    assert outcome(whole) == "completed"
    assert not whole.checkpoints.exists(), "it has its model"

    chance = random.Random(6)
    session = victim.session("killed-0", spec)
    for number in range(1, 6):
        moments: list[tuple[Moment, int]] = [("written", chance.randint(1, 3)), ("writing", chance.randint(2, 4))]
        assert victim.run(session, until=chance.choice(moments)) == -signal.SIGKILL
        session = victim.session(f"killed-{number}", spec, after=session)
    assert victim.run(session) == 0
    assert outcome(session) == "completed"
    assert resumed_epochs(session.path) > 0
    assert model_files(session.path) == model_files(whole.path)


def test_walk_forward_killed_in_its_second_fold(victim: TrainingVictim, bars: Path) -> None:
    spec = tiny_spec(bars, WALKING | {"training.epochs": "12", "training.early_stopping": "null"})
    whole = victim.session("walk", spec)
    assert victim.run(whole) == 0
    killed = victim.session("walk-killed", spec)
    # Twelve epochs in each fold, and a checkpoint after each.
    assert victim.run(killed, until=("written", 14)) == -signal.SIGKILL
    resumed = victim.session("walk-resumed", spec, after=killed)
    assert victim.run(resumed) == 0
    assert resumed_epochs(resumed.path) >= 14
    assert model_files(resumed.path) == model_files(whole.path)


def test_the_first_sigterm_writes_a_checkpoint_amid_an_epoch(victim: TrainingVictim, bars: Path) -> None:
    spec = tiny_spec(
        bars, {"training.checkpoints": "{every_epochs: null, every_seconds: null}", "training.epochs": "80"}
    )
    whole = victim.session("patient", spec)
    assert victim.run(whole) == 0
    told = victim.session("told", spec)
    assert victim.run(told, until=("epoch", 1), send=signal.SIGTERM) == 0
    assert outcome(told) == "cancelled"
    request = read_control(told.control)
    assert request is not None
    assert "SIGTERM" in request.reason
    assert newest(told) == 1
    resumed = victim.session("told-resumed", spec, after=told)
    assert victim.run(resumed) == 0
    assert model_files(resumed.path) == model_files(whole.path)


def test_an_attempt_that_did_not_come_far_still_has_the_checkpoints_that_it_went_on_from(
    victim: TrainingVictim, bars: Path
) -> None:
    spec = tiny_spec(bars)
    first = victim.session("first", spec)
    assert victim.run(first, until=("written", 2)) == -signal.SIGKILL
    second = victim.session("second", spec, after=first)
    assert victim.run(second, until=("start", 0)) == -signal.SIGKILL
    third = victim.session("third", spec, after=second)
    assert newest(third) >= 2
    assert victim.run(third) == 0
    assert resumed_epochs(third.path) >= 2
