"""Trained models, for programs without asyncio."""

from collections.abc import Callable, Iterator, Sequence
from os import PathLike

from ktrdr_client.backoff import Interruption
from ktrdr_client.loop_thread import LoopThread
from ktrdr_client.models.calls import AsyncModels
from ktrdr_client.models.model import NEWEST_FIRST, DownloadedModel, DownloadProgress, Model, ModelFiles


class Models:
    """Trained models, for programs without asyncio.

    Args:
        models: What does the work.
        loop: Returns the loop that it runs on.
    """

    def __init__(self, models: AsyncModels, loop: Callable[[], LoopThread]) -> None:
        self._models = models
        self._loop = loop

    def list(self, filter_text: str = "", *, order_by: str = NEWEST_FIRST) -> Iterator[Model]:
        """Yield the models of completed trainings, newest first; see `AsyncModels.list`."""
        return self._loop().iterate(self._models.list(filter_text, order_by=order_by))

    def get(self, operation_id: str, *, attempt: int = 0) -> ModelFiles:
        """Return a model with its files; see `AsyncModels.get`."""
        return self._loop().run(self._models.get(operation_id, attempt=attempt))

    def read(self, operation_id: str, name: str, *, attempt: int = 0) -> bytes:
        """Return one file of a model; see `AsyncModels.read`."""
        return self._loop().run(self._models.read(operation_id, name, attempt=attempt))

    def download(
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
        """Download the files of a model into a folder; see `AsyncModels.download`.

        Progress and interruptions are told on the client's own thread, which the download waits for.
        """
        return self._loop().run(
            self._models.download(
                operation_id,
                folder,
                names=names,
                attempt=attempt,
                overwrite=overwrite,
                on_progress=on_progress,
                on_interruption=on_interruption,
            )
        )
