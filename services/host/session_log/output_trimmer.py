"""Keep what workers print within its bound."""

import asyncio
import threading
from collections.abc import Callable, Iterable
from typing import Final, Protocol

import structlog

from services.common.clock import Clock
from services.host.folder import SessionFolder
from services.host.session_log.output_files import OutputFiles

_LOOK_SECONDS: Final = 30.0


class PrintingSession(Protocol):
    """What has to be known of a session to trim its output."""

    @property
    def folder(self) -> SessionFolder:
        """Its files."""


class OutputTrimmer:
    """Looks at the printed output of live sessions twice a minute, and once more after their end, and trims it.

    What Python code prints is in the log, which bounds itself: here is only what comes from below it, which is little
    but for the case that something goes round in circles.

    Args:
        live: Returns the sessions that have not ended.
        output_lock: Held while printed output is read or trimmed.
        limit_bytes: Size from which on the output is trimmed.
        clock: For the time between two looks.
    """

    def __init__(
        self,
        live: Callable[[], Iterable[PrintingSession]],
        output_lock: threading.Lock,
        limit_bytes: int,
        clock: Clock,
    ) -> None:
        self._live = live
        self._output_lock = output_lock
        self._limit_bytes = limit_bytes
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._logger = structlog.get_logger()

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name="trim-output")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        before: set[SessionFolder] = set()
        while True:
            await self._clock.sleep(_LOOK_SECONDS)
            now = {session.folder for session in self._live()}
            if now or before:
                await asyncio.to_thread(self._look, now | before)
            before = now

    def _look(self, folders: Iterable[SessionFolder]) -> None:
        for folder in folders:
            try:
                if OutputFiles(folder.log, self._output_lock).trim(self._limit_bytes):
                    self._logger.warning("output_trimmed", session_id=folder.id, limit_bytes=self._limit_bytes)
            except OSError as error:
                self._logger.warning("output_not_trimmed", session_id=folder.id, error=str(error))
