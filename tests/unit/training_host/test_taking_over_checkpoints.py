"""A session that goes on from another one's checkpoints has them for itself."""

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from services.common.errors import ServiceError, reason_name
from services.training_host.checkpoints import take_over as module
from services.training_host.checkpoints.places import checkpoint_folders
from services.training_host.checkpoints.store import CheckpointStore
from services.training_host.checkpoints.take_over import take_over
from services.training_host.strategy.check import load_strategy
from tests.support.checkpoints import cut, made_up_checkpoint
from tests.support.trainings import reference_text

STRATEGY = load_strategy(reference_text())


@pytest.fixture
def source(tmp_path: Path) -> CheckpointStore:
    store = CheckpointStore(tmp_path / "source", keep=2)
    for epochs in (1, 2, 3):
        store.write(made_up_checkpoint(epochs=epochs))
    return store


def taken(source: Path, target: Path) -> CheckpointStore:
    take_over(source, target, session_id="earlier", strategy=STRATEGY)
    return CheckpointStore(target, keep=2)


def refused(source: Path | None, target: Path, strategy: Any = STRATEGY) -> str:
    with pytest.raises(ServiceError) as caught:
        take_over(source, target, session_id="earlier", strategy=strategy)
    assert reason_name(caught.value.reason) == "CHECKPOINT_NOT_FOUND"
    assert "'earlier'" in caught.value.message
    assert "--from-checkpoint" in caught.value.message
    return caught.value.message


def epochs_of(store: CheckpointStore) -> int:
    newest = store.newest()
    assert newest is not None
    return newest.head.epochs


def test_they_stay_when_the_other_session_goes(source: CheckpointStore, tmp_path: Path) -> None:
    store = taken(source.folder, tmp_path / "target")
    shutil.rmtree(source.folder)
    assert store.origin() == "earlier"
    assert epochs_of(store) == 3
    assert len(checkpoint_folders(store.folder)) == 2
    # What is written next comes after them, and pushes the oldest out.
    assert store.write(made_up_checkpoint(epochs=4)).name == "00000004"
    assert [path.name for path in checkpoint_folders(store.folder)] == ["00000004", "00000003"]


def test_a_damaged_one_is_left_behind(source: CheckpointStore, tmp_path: Path) -> None:
    cut(source.folder)
    store = taken(source.folder, tmp_path / "target")
    assert [path.name for path in checkpoint_folders(store.folder)] == ["00000002"]
    assert epochs_of(store) == 2


def test_where_links_are_not_possible_they_are_copied(
    source: CheckpointStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    store = taken(source.folder, tmp_path / "target")
    assert epochs_of(store) == 3


def test_one_that_vanishes_while_it_is_linked_is_replaced_by_a_newer_one(
    source: CheckpointStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = module._link
    calls: list[Path] = []

    def slow(folder: Path, target: Path) -> None:
        if not calls:
            source.write(made_up_checkpoint(epochs=4))
            source.write(made_up_checkpoint(epochs=5))
        calls.append(folder)
        link(folder, target)

    monkeypatch.setattr(module, "_link", slow)
    assert epochs_of(taken(source.folder, tmp_path / "target")) == 5


def test_none_and_all_damaged_and_no_session_are_told_apart(source: CheckpointStore, tmp_path: Path) -> None:
    assert "no such session" in refused(None, tmp_path / "a")
    assert "It wrote none" in refused(tmp_path / "nothing", tmp_path / "b")
    for number in (2, 3):
        cut(source.folder, number=number)
    assert "All that it has are damaged: 00000003: loop.safetensors" in refused(source.folder, tmp_path / "c")


def test_another_strategy_is_refused_with_what_differs(source: CheckpointStore, tmp_path: Path) -> None:
    other = load_strategy(reference_text(), {"training.learning_rate": "0.5"})
    assert "differs in training.learning_rate" in refused(source.folder, tmp_path / "target", other)


def test_a_session_that_begins_anew_has_no_origin(source: CheckpointStore) -> None:
    assert source.origin() == ""
