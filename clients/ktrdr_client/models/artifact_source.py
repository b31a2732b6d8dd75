"""The files of one model at the host that has them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ktrdr.training.v1.training_pb2 import (
    Artifact,
    DownloadArtifactRequest,
    DownloadArtifactResponse,
    ListArtifactsRequest,
)

from ktrdr_client.calls import Endpoint, call_unary, open_stream
from ktrdr_client.errors import DataLoss, DeadlineExceeded, NotFound
from ktrdr_client.models.model import Model, ModelFiles

if TYPE_CHECKING:
    from ktrdr.training.v1.training_pb2_grpc import TrainingHostServiceAsyncStub

SILENCE_SECONDS: Final = 120.0
"""Longest time without a message. The first one comes when the host has read the file for its digest."""
_LISTING_SECONDS: Final = 60.0
"""The first listing after the host's start takes as long as it takes to read the files."""


@dataclass(frozen=True)
class ArtifactSource:
    """Lists and reads the files of a model."""

    stub: "TrainingHostServiceAsyncStub"
    """The host."""
    endpoint: Endpoint
    """The same, for messages."""
    model: Model
    """The model."""

    async def files(self) -> ModelFiles:
        """Return the files, over all pages.

        Raises:
            KtrdrError: The host refused, or does not answer.
        """
        request = ListArtifactsRequest(session_id=self.model.session_id)
        found: list[Artifact] = []
        while True:
            try:
                page = await call_unary(
                    self.stub.ListArtifacts, request, endpoint=self.endpoint, timeout_seconds=_LISTING_SECONDS
                )
            except NotFound as error:
                raise self._explained(error) from None
            found += page.artifacts
            request.page_token = page.next_page_token
            if not page.next_page_token:
                _check_names(found)
                return ModelFiles(self.model, page.model_version, found)

    async def pieces(self, artifact: Artifact, offset: int = 0) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a file from an offset on.

        Raises:
            Aborted: The file is another one now.
            KtrdrError: The host refused, or the stream broke.
        """
        request = DownloadArtifactRequest(
            session_id=self.model.session_id, name=artifact.name, offset=offset, sha256=artifact.sha256
        )
        try:
            async with open_stream(self.stub.DownloadArtifact, request, endpoint=self.endpoint) as messages:
                while (message := await self._next(messages)) is not None:
                    if message.data:
                        yield message.data
        except NotFound as error:
            raise self._explained(error) from None

    async def _next(self, messages: AsyncIterator[DownloadArtifactResponse]) -> DownloadArtifactResponse | None:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                return await anext(messages, None)
        except TimeoutError:
            where = f"the {self.endpoint.service} at {self.endpoint.address}"
            message = f"{where} has sent nothing for {SILENCE_SECONDS:g} s"
            raise DeadlineExceeded(message) from None

    def _explained(self, error: NotFound) -> NotFound:
        """Say of a session that is gone what that means for the model."""
        if error.reason != "SESSION_NOT_FOUND":
            return error
        message = (
            f"host {self.model.host} has the model of operation {self.model.operation_id} no longer: it keeps "
            f"trainings for some time only\n  train it again: ktrdr ops retry {self.model.operation_id}"
        )
        return NotFound(message, reason=error.reason, metadata=error.metadata)


def _check_names(files: Sequence[Artifact]) -> None:
    """Refuse names that would lead out of the folder that files are put in."""
    for file in files:
        if not file.name or file.name in {".", ".."} or {"/", "\\", "\0", ":"} & set(file.name):
            message = f"the host has a file of the name {file.name!r}, which no model has; do not trust it"
            raise DataLoss(message)
