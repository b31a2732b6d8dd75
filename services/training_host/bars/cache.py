"""Bars that were read before, kept beside the host so that those that have not changed are not sent again."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from ktrdr.ib.v1 import ib_pb2

_LOG = structlog.get_logger(__name__)
_MAGIC: Final = b"ktrdrbars1"
_SUFFIX: Final = ".bars"
_DIGEST_BYTES: Final = 32
_HEAD_BYTES: Final = len(_MAGIC) + 2 * _DIGEST_BYTES
_FINGERPRINT_BYTES: Final = 32


@dataclass(frozen=True)
class CachedBars:
    """What was answered to a request once.

    Attributes:
        path: The file.
        fingerprint: Of the dataset then, hexadecimal.
    """

    path: Path
    fingerprint: str

    def content(self) -> bytes | None:
        """Return the Arrow IPC stream; None if the file is damaged, has gone, or is another worker's newer answer."""
        try:
            data = self.path.read_bytes()
        except OSError:
            return None
        sound = hashlib.sha256(memoryview(data)[len(_MAGIC) + _DIGEST_BYTES :]).digest()
        if data[len(_MAGIC) : _HEAD_BYTES] != sound + bytes.fromhex(self.fingerprint):
            return None
        with contextlib.suppress(OSError):
            os.utime(self.path)  # it was of use: others are removed first
        return data[_HEAD_BYTES:]


@dataclass(frozen=True)
class BarCache:
    """A folder of answers, one file for each dataset and range. Several workers may use it at once.

    Nothing in it is ever missed: a file that is damaged, half-written or gone only means that bars are sent again.

    Attributes:
        folder: Where the files are; made with the first one.
        most_bytes: Of all files together. Those that were not of use for the longest time are removed beyond that; 0
            keeps none.
    """

    folder: Path
    most_bytes: int

    def find(self, request: ib_pb2.StreamBarsRequest) -> CachedBars | None:
        """Return what was answered to such a request; whether that is still right only the IB host knows."""
        path = self._path(request)
        try:
            with path.open("rb") as file:
                head = file.read(_HEAD_BYTES)
        except OSError:
            return None
        if len(head) < _HEAD_BYTES or not head.startswith(_MAGIC):
            return None
        return CachedBars(path, head[-_FINGERPRINT_BYTES:].hex())

    def keep(self, request: ib_pb2.StreamBarsRequest, fingerprint: str, content: Sequence[bytes]) -> None:
        """Keep an answer in place of an earlier one. A disk that is full costs the training nothing.

        Args:
            request: That was answered.
            fingerprint: Of the dataset, hexadecimal.
            content: The pieces of the Arrow IPC stream.
        """
        size = _HEAD_BYTES + sum(map(len, content))
        mark = _bytes_of(fingerprint)
        if size > self.most_bytes or mark is None:
            return
        digest = hashlib.sha256(mark)
        for piece in content:
            digest.update(piece)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._make_room(size)
            _write(self._path(request), [_MAGIC, digest.digest(), mark, *content])
        except OSError as error:
            _LOG.warning("bars_not_cached", folder=str(self.folder), error=error.strerror)

    def _path(self, request: ib_pb2.StreamBarsRequest) -> Path:
        plain = ib_pb2.StreamBarsRequest()
        plain.CopyFrom(request)
        plain.known_fingerprint = ""
        name = hashlib.sha256(plain.SerializeToString(deterministic=True)).hexdigest()[:40]
        return self.folder / f"{name}{_SUFFIX}"

    def _make_room(self, size: int) -> None:
        """Remove what was not of use for the longest time, and what a killed worker left half-written."""
        files = sorted(self._files())
        taken = sum(file_size for _, file_size, _ in files)
        for _, file_size, path in files:
            if taken + size <= self.most_bytes:
                break
            path.unlink(missing_ok=True)
            taken -= file_size

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Yield time of the last use, size and path of each file."""
        for path in self.folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another worker has removed it
                status = path.stat()
                yield status.st_mtime, status.st_size, path


def _bytes_of(fingerprint: str) -> bytes | None:
    """Return a fingerprint's bytes; None where it is none that can be compared."""
    try:
        mark = bytes.fromhex(fingerprint)
    except ValueError:
        return None
    return mark if len(mark) == _FINGERPRINT_BYTES else None


def _write(path: Path, parts: Sequence[bytes]) -> None:
    """Write a file that others see whole or not at all. Whether it survives a power cut does not matter."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".new")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(parts)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
