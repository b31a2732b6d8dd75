"""Checkpoints come back as they were written, or are known to be damaged; the newest are kept."""

import errno
from pathlib import Path

import numpy as np
import pytest
import structlog
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from services.training_host.checkpoints.checkpoint import Checkpoint, read_checkpoint
from services.training_host.checkpoints.files import MANIFEST, PARTS, CheckpointDamaged, Manifest, read_head
from services.training_host.checkpoints.places import checkpoint_folders
from services.training_host.checkpoints.store import CheckpointStore
from tests.support.checkpoints import cut, made_up_checkpoint


def assert_same(read: Checkpoint, written: Checkpoint) -> None:
    assert read.head == written.head
    assert read.loop.document == written.loop.document
    assert read.loop.tensors.keys() == written.loop.tensors.keys()
    for name, tensor in written.loop.tensors.items():
        assert read.loop.tensors[name].dtype == tensor.dtype
        assert torch.equal(read.loop.tensors[name], tensor)
    assert [fold.number for fold in read.finished] == [fold.number for fold in written.finished]
    for one, other in zip(read.finished, written.finished, strict=True):
        assert repr(one.history) == repr(other.history), "NaN and infinities included"
        for part, answers in other.predictions.items():
            np.testing.assert_array_equal(one.predictions[part], answers)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "checkpoints", keep=2)
    assert store.newest() is None
    written = made_up_checkpoint(epochs=5, fold=3)
    folder = store.write(written)
    assert {path.name for path in folder.iterdir()} == {MANIFEST, *PARTS}
    newest = CheckpointStore(store.folder, keep=2).newest()
    assert newest is not None
    assert_same(newest, written)
    assert read_head(folder) == written.head


def test_the_newest_are_kept(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "checkpoints", keep=2)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / ".00000001.left-by-a-kill.new").mkdir()
    for epochs in range(1, 5):
        store.write(made_up_checkpoint(epochs=epochs))
    assert [path.name for path in checkpoint_folders(store.folder)] == ["00000004", "00000003"]
    assert sorted(path.name for path in store.folder.iterdir()) == ["00000003", "00000004"]
    store.clear()
    assert not store.folder.exists()
    store.clear()


@pytest.mark.parametrize("part", [MANIFEST, *PARTS])
def test_a_cut_file_is_found_and_the_checkpoint_before_is_taken(tmp_path: Path, part: str) -> None:
    store = CheckpointStore(tmp_path / "checkpoints", keep=2)
    store.write(made_up_checkpoint(epochs=1))
    store.write(made_up_checkpoint(epochs=2))
    cut(store.folder, part=part)
    with structlog.testing.capture_logs() as logs:
        newest = store.newest()
    assert newest is not None
    assert newest.head.epochs == 1
    assert [(log["event"], log["log_level"]) for log in logs] == [("checkpoint_damaged", "warning")]
    assert part in logs[0]["cause"]
    with pytest.raises(CheckpointDamaged):
        read_head(store.folder / "00000002")
    # The damaged one takes no place from a good one, and goes.
    store.write(made_up_checkpoint(epochs=3))
    assert [path.name for path in checkpoint_folders(store.folder)] == ["00000003", "00000001"]


def test_when_all_are_damaged_there_is_none(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "checkpoints", keep=2)
    for number in (1, 2):
        store.write(made_up_checkpoint(epochs=number))
        (store.folder / f"0000000{number}" / "state.json").unlink()
    assert store.newest() is None


def test_another_format_version_is_no_checkpoint_of_ours(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "checkpoints", keep=2)
    folder = store.write(made_up_checkpoint())
    manifest = Manifest.read(folder / MANIFEST)
    assert manifest is not None
    (folder / MANIFEST).write_bytes(manifest.model_copy(update={"format_version": 2}).to_bytes())
    with pytest.raises(CheckpointDamaged, match="format version 2, and not 1"):
        read_head(folder)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = CheckpointStore(tmp_path_factory.mktemp("checkpoints"), keep=1)
    return store.write(made_up_checkpoint(epochs=5, fold=2))


@settings(deadline=None)
@given(data=st.data())
def test_no_changed_byte_goes_unnoticed(written: Path, data: st.DataObject) -> None:
    before = read_checkpoint(written)
    path = written / data.draw(st.sampled_from((MANIFEST, *PARTS)))
    content = path.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    changed = bytes([content[at] ^ data.draw(st.integers(1, 255))])
    try:
        path.write_bytes(content[:at] + changed + content[at + 1 :])
        try:
            after = read_checkpoint(written)
        except CheckpointDamaged:
            return
        # White space between the words of the manifest.
        assert path.name == MANIFEST
        assert_same(after, before)
    finally:
        path.write_bytes(content)


def test_a_full_disk_leaves_no_half_checkpoint_and_the_others_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = CheckpointStore(tmp_path / "checkpoints", keep=1)
    store.write(made_up_checkpoint(epochs=1))
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> None:
        write(path, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        store.write(made_up_checkpoint(epochs=2))
    assert [path.name for path in store.folder.iterdir()] == ["00000001"]
    newest = store.newest()
    assert newest is not None
    assert newest.head.epochs == 1
