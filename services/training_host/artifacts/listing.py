"""What is in a model's folder."""

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ArtifactFile:
    """One file of a model.

    Attributes:
        name: Its name in the folder.
        size_bytes: Its size.
        sha256: Digest of its content, hexadecimal.
    """

    name: str
    size_bytes: int
    sha256: str


def list_artifacts(folder: Path) -> list[ArtifactFile]:
    """Return the files of a folder by name."""
    found: list[ArtifactFile] = []
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        found.append(ArtifactFile(path.name, path.stat().st_size, digest))
    return found
