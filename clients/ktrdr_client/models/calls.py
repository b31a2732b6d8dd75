"""Trained models, for programs that use asyncio."""

import hashlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import timedelta
from os import PathLike
from pathlib import Path
from typing import Protocol

from ktrdr.operations.v1.operations_pb2 import HostRecord, Operation
from ktrdr.training.v1.training_pb2 import Artifact

from ktrdr_client.backoff import Interruption
from ktrdr_client.calls import Endpoint
from ktrdr_client.errors import DataLoss, NotFound
from ktrdr_client.host_channels import HostChannels
from ktrdr_client.models.artifact_source import ArtifactSource
from ktrdr_client.models.file_download import FileDownload
from ktrdr_client.models.model import (
    NEWEST_FIRST,
    WITH_MODELS,
    DownloadedModel,
    DownloadProgress,
    Model,
    ModelFiles,
    has_model,
    model_of,
)
from ktrdr_client.stubs import training_host_stub
from ktrdr_client.threads import in_thread


class Registry(Protocol):
    """What is asked of the operations service."""

    async def get(self, operation_id: str, *, max_staleness: timedelta | None = None) -> Operation:
        """Return one operation."""

    def list(self, filter_text: str = "", *, order_by: str = "") -> AsyncGenerator[Operation, None]:
        """Yield operations."""

    async def hosts(self) -> Sequence[HostRecord]:
        """Return the hosts that are followed."""


class AsyncModels:
    """Trained models: found through the operations service, read from the hosts that have them.

    Args:
        registry: The operations service.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._channels = HostChannels()

    async def close(self) -> None:
        """Close the channels."""
        await self._channels.close()

    async def list(self, filter_text: str = "", *, order_by: str = NEWEST_FIRST) -> AsyncGenerator[Model, None]:
        """Yield the models of completed trainings, those that were ready last first.

        Args:
            filter_text: Only models whose trainings match: 'strategy = "swing" AND labels.team = red'.
            order_by: Fields of the trainings, such as "create_time".

        Raises:
            InvalidArgument: The filter or the order cannot be understood; the message shows where.
        """
        async with aclosing(self._registry.list(with_models(filter_text), order_by=order_by)) as operations:
            async for operation in operations:
                if has_model(operation):
                    yield model_of(operation)

    async def get(self, operation_id: str, *, attempt: int = 0) -> ModelFiles:
        """Return a model with its files.

        Args:
            operation_id: Complete id of the training.
            attempt: Of which attempt; 0 for the latest.

        Raises:
            NotFound: There is no such operation, it is no training, or its host has the files no longer.
            FailedPrecondition: The training has not ended, or ended without a model.
            Unavailable: The host does not answer.
        """
        return await (await self._source(operation_id, attempt)).files()

    async def read(self, operation_id: str, name: str, *, attempt: int = 0) -> bytes:
        """Return one file of a model: one that fits into memory, such as its card.

        Args:
            operation_id: Complete id of the training.
            name: Name of the file.
            attempt: Of which attempt; 0 for the latest.

        Raises:
            NotFound: As with `get`; or the model has no such file.
            DataLoss: It came with another content than the host says it has.
            KtrdrError: As with `get`.
        """
        source = await self._source(operation_id, attempt)
        (artifact,) = _chosen(await source.files(), [name])
        async with aclosing(source.pieces(artifact)) as pieces:
            content = b"".join([piece async for piece in pieces])
        if hashlib.sha256(content).hexdigest() != artifact.sha256:
            message = f"{name} came with another content than the host says it has; read it again"
            raise DataLoss(message, metadata={"name": name})
        return content

    async def download(
        self,
        operation_id: str,
        folder: str | PathLike[str],
        *,
        names: Sequence[str] = (),
        attempt: int = 0,
        overwrite: bool = False,
        on_progress: Callable[[DownloadProgress], None] | None = None,
        on_interruption: Interruption | None = None,
    ) -> DownloadedModel:
        """Download the files of a model into a folder, and check their digests.

        A file is in its place whole, or not at all; until then what has come of it lies beside as NAME.part. The next
        call goes on where an earlier one was broken off, and takes files that are there as they are. A host that goes
        away for some seconds is waited for. Several calls at the same time do not disturb each other.

        Args:
            operation_id: Complete id of the training.
            folder: Where the files go; it is made if it is not there.
            names: Only these files; empty for all.
            attempt: Of which attempt; 0 for the latest.
            overwrite: Replace files of the same names with another content.
            on_progress: Told how far the download is, on the event loop.
            on_interruption: Told about each stream that broke, with the seconds until the next try.

        Raises:
            NotFound: As with `get`; or the model has no such file.
            AlreadyExists: Another file of one of the names is there.
            Aborted: A file has changed since the download began: begin again.
            DataLoss: A file came with another content than the host says it has.
            KtrdrError: As with `get`.
            OSError: The files cannot be written.
        """
        source = await self._source(operation_id, attempt)
        model = await source.files()
        chosen = _chosen(model, names)
        target = Path(folder)
        await in_thread(target.mkdir, parents=True, exist_ok=True)
        total_bytes, before_bytes = sum(artifact.size_bytes for artifact in chosen), 0
        for artifact in chosen:
            tell = _teller(artifact, before_bytes, total_bytes, on_progress)
            await FileDownload(
                source, artifact, target / artifact.name, overwrite, tell, on_interruption=on_interruption
            ).run()
            before_bytes += artifact.size_bytes
        return DownloadedModel(model.model, model.version, target, chosen)

    async def _source(self, operation_id: str, attempt: int) -> ArtifactSource:
        model = model_of(await self._registry.get(operation_id), attempt)
        for record in await self._registry.hosts():
            if record.name == model.host:
                endpoint = Endpoint(f"training host {record.name!r}", record.address)
                return ArtifactSource(training_host_stub(self._channels.at(record.address)), endpoint, model)
        message = (
            f"the operations service no longer follows the host {model.host!r}, which has the model of operation "
            f"{operation_id}\n  see: ktrdr hosts list"
        )
        raise NotFound(message, reason="HOST_NOT_FOUND", metadata={"host": model.host})


def with_models(filter_text: str) -> str:
    """Return a filter with the condition that operations have models."""
    # Behind, so that columns in a message about the filter are right; and OR binds tighter than AND in this language.
    return f"{filter_text} AND {WITH_MODELS}" if filter_text.strip() else WITH_MODELS


def _chosen(model: ModelFiles, names: Sequence[str]) -> list[Artifact]:
    known = {artifact.name: artifact for artifact in model.files}
    for name in names:
        if name not in known:
            message = (
                f"the model of operation {model.model.operation_id} has no file {name!r}; it has {', '.join(known)}"
            )
            raise NotFound(message, reason="ARTIFACT_NOT_FOUND", metadata={"name": name})
    return [known[name] for name in dict.fromkeys(names)] if names else list(model.files)


def _teller(
    artifact: Artifact, before_bytes: int, total_bytes: int, on_progress: Callable[[DownloadProgress], None] | None
) -> Callable[[int], None]:
    def tell(received_bytes: int) -> None:
        if on_progress is not None:
            progress = DownloadProgress(
                artifact.name, received_bytes, artifact.size_bytes, before_bytes + received_bytes, total_bytes
            )
            on_progress(progress)

    return tell
