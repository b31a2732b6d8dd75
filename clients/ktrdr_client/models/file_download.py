"""Download one file of a model, and go on wherever an earlier try was broken off."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ktrdr.training.v1.training_pb2 import Artifact

from ktrdr_client.backoff import PASSING, Backoff, Interruption
from ktrdr_client.errors import AlreadyExists, DataLoss, KtrdrError, Unavailable
from ktrdr_client.models.artifact_source import ArtifactSource
from ktrdr_client.models.part_file import PartFile, sha256_of
from ktrdr_client.threads import in_thread

MOST_FAILURES: Final = 8
"""Broken streams in a row, without any byte in between, after which a download gives up: some 10 to 20 seconds."""
_LOOK_SECONDS: Final = 0.1


@dataclass
class FileDownload:
    """The download of one file.

    Args:
        source: Where it comes from.
        artifact: What comes.
        target: Where it goes: it is there at once, whole, or not at all.
        overwrite: Another file of the name may be replaced.
        tell: Told how many bytes are there, each number once.
        on_interruption: Told about each lost stream.
        backoff: Pauses between tries.
    """

    source: ArtifactSource
    artifact: Artifact
    target: Path
    overwrite: bool = False
    tell: Callable[[int], None] = lambda _: None
    on_interruption: Interruption | None = None
    backoff: Backoff = field(default_factory=Backoff)
    _told_bytes: int = field(default=-1, init=False)

    async def run(self) -> None:
        """Return when the file is in its place, with the right digest. What has come stays when this is broken off.

        Raises:
            AlreadyExists: Another file of this name is there.
            DataLoss: What came has another digest than it should have.
            KtrdrError: The host refused, or has gone away for long.
            OSError: It cannot be written.
        """
        if not await self._is_there():
            part = PartFile(self.target)
            try:
                while not await in_thread(part.take):  # noqa: ASYNC110 - it is another process that has it
                    await asyncio.sleep(_LOOK_SECONDS)
                # Another download of the same file may have been waited for.
                if not await self._is_there():
                    await self._receive(part)
                    await in_thread(part.finish)
            finally:
                part.leave()
        self._tell(self.artifact.size_bytes)

    def _tell(self, size_bytes: int) -> None:
        if size_bytes != self._told_bytes:
            self._told_bytes = size_bytes
            self.tell(size_bytes)

    async def _is_there(self) -> bool:
        """Tell whether the file is there already."""
        try:
            size_bytes = (await in_thread(self.target.stat)).st_size
        except FileNotFoundError:
            return False
        if size_bytes == self.artifact.size_bytes and await in_thread(sha256_of, self.target) == self.artifact.sha256:
            return True
        if not self.overwrite:
            message = (
                f"{self.target} is there already, and is another file than that of the model\n"
                "  choose another folder with --to, or replace it with --overwrite"
            )
            raise AlreadyExists(message, reason="FILE_EXISTS", metadata={"path": str(self.target)})
        return False

    async def _receive(self, part: PartFile) -> None:
        await in_thread(part.go_on, self.artifact.size_bytes)
        went_on = part.size_bytes > 0
        await self._fill(part)
        if part.sha256 != self.artifact.sha256 and went_on:
            # What lay there was the part of another file.
            await in_thread(part.begin_again)
            await self._fill(part)
        if part.sha256 != self.artifact.sha256:
            await in_thread(part.begin_again)
            message = f"{self.artifact.name} came with another content than the host says it has; download it again"
            raise DataLoss(message, metadata={"name": self.artifact.name})

    async def _fill(self, part: PartFile) -> None:
        """Append bytes until there are as many as there should be, through broken streams."""
        while part.size_bytes < self.artifact.size_bytes:
            before, broken = part.size_bytes, None
            try:
                async with aclosing(self.source.pieces(self.artifact, part.size_bytes)) as pieces:
                    async for data in pieces:
                        await in_thread(part.append, data)
                        self._tell(part.size_bytes)
            except PASSING as error:
                broken = error
            if part.size_bytes > before:
                self.backoff.reset()
            if part.size_bytes < self.artifact.size_bytes:
                await self._pause(broken or Unavailable("the host has ended the download before its end"))

    async def _pause(self, error: KtrdrError) -> None:
        if self.backoff.failures >= MOST_FAILURES:
            raise error
        await self.backoff.pause(error, self.on_interruption)
