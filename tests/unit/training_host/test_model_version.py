"""A model's version is that of its content."""

import hashlib
import subprocess
from pathlib import Path

from services.training_host.artifacts.listing import ArtifactFile, list_artifacts
from services.training_host.artifacts.version import model_version

WEIGHTS = ArtifactFile("model.safetensors", 3, "aa")
STRATEGY = ArtifactFile("strategy.yaml", 5, "bb")


def test_the_version_is_the_digest_of_names_and_digests() -> None:
    expected = hashlib.sha256(b"aa  model.safetensors\nbb  strategy.yaml\n").hexdigest()
    assert model_version([STRATEGY, WEIGHTS]) == expected


def test_what_differs_between_equal_trainings_has_no_part_in_it() -> None:
    files = [WEIGHTS, STRATEGY]
    assert model_version([*files, ArtifactFile("training.json", 9, "cc")]) == model_version(files)


def test_names_and_contents_have_a_part_in_it() -> None:
    renamed = ArtifactFile("other.safetensors", 3, "aa")
    changed = ArtifactFile("model.safetensors", 3, "ab")
    assert len({model_version([file, STRATEGY]) for file in (WEIGHTS, renamed, changed)}) == 3


def test_usual_tools_give_the_same_version(tmp_path: Path) -> None:
    for name in ("b.json", "a.bin", "training.json"):
        (tmp_path / name).write_text(name)
    command = "sha256sum a.bin b.json | sha256sum"
    told = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert model_version(list_artifacts(tmp_path)) == told.split()[0]
