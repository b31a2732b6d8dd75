"""What a model is known by."""

import hashlib
from collections.abc import Sequence
from typing import Final

from services.training_host.artifacts.listing import ArtifactFile

TRAINING_FILE: Final = "training.json"
"""Holds what differs between two equal trainings: times, session, machine, where the bars came from. It has no part in
the version."""


def model_version(files: Sequence[ArtifactFile]) -> str:
    """Return the version of a model: the same content has the same one, wherever and whenever it was made.

    It is the SHA-256, hexadecimal, of a line "sha256  name" for each file but `training.json`, in the order of their
    names, as `sha256sum` prints them.

    Args:
        files: The files of the model's folder, in any order.
    """
    lines = [
        f"{file.sha256}  {file.name}\n"
        for file in sorted(files, key=lambda file: file.name)
        if file.name != TRAINING_FILE
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
