"""What is in a model's folder."""

from dataclasses import dataclass
from pathlib import Path

from services.common.files import sha256_of


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
    return [ArtifactFile(path.name, path.stat().st_size, sha256_of(path)) for path in sorted(folder.iterdir())]
