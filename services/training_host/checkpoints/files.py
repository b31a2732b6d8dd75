"""The files of a checkpoint, and what proves that they are whole.

Nothing in here needs the libraries for training: a host looks at checkpoints without loading them.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from services.common.files import sha256_of
from services.host.records import Record, RecordDamagedError

FORMAT_VERSION: Final = 1
"""Of a checkpoint's files; counts up when a reader of older ones would misread them."""
MANIFEST: Final = "manifest.json"
HEAD: Final = "checkpoint.json"
STATE: Final = "state.json"
TENSORS: Final = "loop.safetensors"
PREDICTIONS: Final = "folds.safetensors"
PARTS: Final = (HEAD, STATE, TENSORS, PREDICTIONS)


class CheckpointDamaged(Exception):
    """A checkpoint cannot be read, or is not what was written.

    Attributes:
        cause: What is wrong, as the end of a sentence.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class CheckpointHead(Record):
    """checkpoint.json: what a checkpoint belongs to.

    Attributes:
        session_id: Session that wrote it.
        created_at: When, ISO 8601, UTC.
        strategy: Text of the strategy as it was trained.
        data_sha256: Fingerprint of the bars.
        fold: Number of the fold that was being trained, from 1.
        epochs: Epochs that were done, of all folds.
        device: Device that it was trained on.
        threads: Threads inside one operation.
        libraries: Versions by name.
    """

    session_id: str
    created_at: str
    strategy: str
    data_sha256: str
    fold: int
    epochs: int
    device: str
    threads: int
    libraries: dict[str, str]


class Manifest(Record):
    """manifest.json: the digests of all other files.

    Attributes:
        format_version: Of all the files.
        parts: SHA-256 of each of them, hexadecimal, by name.
    """

    format_version: int
    parts: dict[str, str]

    @classmethod
    def of(cls, contents: Mapping[str, bytes]) -> "Manifest":
        """Describe files by their content."""
        parts = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        return cls(format_version=FORMAT_VERSION, parts=parts)


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a checkpoint.

    Raises:
        CheckpointDamaged: It cannot be read, or another version wrote it.
    """
    try:
        manifest = Manifest.read(folder / MANIFEST)
    except RecordDamagedError as error:
        raise CheckpointDamaged(f"{MANIFEST}: {error.cause}") from None
    except OSError as error:
        raise CheckpointDamaged(f"{MANIFEST}: {error.strerror}") from None
    if manifest is None:
        raise CheckpointDamaged(f"{MANIFEST} is missing")
    if manifest.format_version != FORMAT_VERSION:
        raise CheckpointDamaged(f"it has format version {manifest.format_version}, and not {FORMAT_VERSION}")
    if set(manifest.parts) != set(PARTS):
        raise CheckpointDamaged(f"{MANIFEST}: it does not name the files of a checkpoint")
    return manifest


def read_part(folder: Path, name: str, manifest: Manifest) -> bytes:
    """Read one file of a checkpoint.

    Raises:
        CheckpointDamaged: It is not what was written.
    """
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise CheckpointDamaged(f"{name}: {error.strerror}") from None
    _compare(name, hashlib.sha256(content).hexdigest(), manifest)
    return content


def read_head(folder: Path) -> CheckpointHead:
    """Check every file of a checkpoint, and return its head.

    Raises:
        CheckpointDamaged: It is not what was written.
    """
    manifest = read_manifest(folder)
    for name in PARTS:
        if name != HEAD:
            check_part(folder, name, manifest)
    return parse_head(read_part(folder, HEAD, manifest))


def check_part(folder: Path, name: str, manifest: Manifest) -> None:
    """Check one file without holding all of it in memory.

    Raises:
        CheckpointDamaged: It is not what was written.
    """
    try:
        digest = sha256_of(folder / name)
    except OSError as error:
        raise CheckpointDamaged(f"{name}: {error.strerror}") from None
    _compare(name, digest, manifest)


def parse_head(content: bytes) -> CheckpointHead:
    """Read a head whose checksum was right.

    Raises:
        CheckpointDamaged: It is none.
    """
    try:
        return CheckpointHead.model_validate_json(content)
    except ValueError:
        raise CheckpointDamaged(f"{HEAD} is none of this version") from None


def _compare(name: str, digest: str, manifest: Manifest) -> None:
    if digest != manifest.parts[name]:
        raise CheckpointDamaged(f"{name} has another checksum than {MANIFEST} says")
