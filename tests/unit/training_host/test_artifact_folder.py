"""A model's folder appears whole, or not at all."""

import hashlib
from pathlib import Path

import pytest

from services.training_host.artifacts.folder import appearing_folder
from services.training_host.artifacts.listing import list_artifacts


def test_the_folder_appears_when_all_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "artifacts" / "model"
    with appearing_folder(folder) as temporary:
        (temporary / "b.json").write_text("{}")
        (temporary / "a.bin").write_bytes(b"123")
        assert not folder.exists()
        assert temporary.parent == folder.parent
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    files = list_artifacts(folder)
    assert [(file.name, file.size_bytes) for file in files] == [("a.bin", 3), ("b.json", 2)]
    assert files[0].sha256 == hashlib.sha256(b"123").hexdigest()


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def write() -> None:
        with appearing_folder(tmp_path / "model") as temporary:
            (temporary / "a.bin").write_bytes(b"123")
            raise ValueError("full")

    with pytest.raises(ValueError, match="full"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_model_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "kept").write_text("old")

    def write() -> None:
        with appearing_folder(tmp_path / "model") as temporary:
            (temporary / "new").write_text("new")

    with pytest.raises(OSError, match="model"):
        write()
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "kept"]
