"""Keep workers that wait for sessions."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from services.common.clock import Clock
from services.host.spare.spare_worker import SpareWorker

QUIET_SECONDS: Final = 3.0
"""Time after the start of a session in which no spare is: a session that begins needs the processor more."""
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 300.0


class SpareWorkers:
    """Keeps as many spare workers as the settings say, and gives them away one by one. Lives on the event loop.

    They are loaded one after the other. One that ends by itself is replaced after a pause that grows each time, until a
    session has taken one again.

    Args:
        count: How many; 0 for none.
        command: A spare worker's command line. The number of its socket to the keeper is added to it.
        environment: Its environment.
        folder: The host's folder.
        clock: For the pauses.
    """

    def __init__(
        self, count: int, command: Sequence[str], *, environment: Mapping[str, str], folder: Path, clock: Clock
    ) -> None:
        self._count = count
        self._command = command
        self._environment = environment
        self._folder = folder
        self._clock = clock
        self._ready: dict[SpareWorker, asyncio.Task[None]] = {}
        self._missing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._quiet_at = clock.monotonic()
        self._failures = 0
        self._logger = structlog.get_logger()

    @property
    def ready(self) -> list[int]:
        """Process ids of the keepers whose workers wait for a session."""
        return [spare.pid for spare in self._ready]

    def start(self) -> None:
        """Begin to load them."""
        if self._count:
            self._missing.set()
            self._task = asyncio.create_task(self._keep(), name="spare-workers")

    async def stop(self) -> None:
        """End those that wait. No session is begun any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        spares = [spare for spare in list(self._ready) if await self._withdraw(spare)]
        for spare in spares:
            spare.end()
        await asyncio.gather(*(asyncio.to_thread(spare.wait) for spare in spares))

    async def take(self, *, usable: bool) -> SpareWorker | None:
        """Give away the spare that has waited longest. A session is begun with it, or without one.

        Args:
            usable: The session can be given to a spare.

        Returns:
            The spare, which the caller has to end; None where there is none.
        """
        self._quiet_at = self._clock.monotonic() + QUIET_SECONDS
        while usable and self._ready:
            spare = next(iter(self._ready))
            self._missing.set()
            if await self._withdraw(spare):
                self._failures = 0
                return spare
        return None

    async def _withdraw(self, spare: SpareWorker) -> bool:
        """Take a spare out of those that are ready; False where it has ended by now."""
        watch = self._ready.pop(spare, None)
        if watch is None:
            return False
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        return watch.cancelled()

    async def _keep(self) -> None:
        while True:
            await self._missing.wait()
            while (left := self._quiet_at - self._clock.monotonic()) > 0:
                await self._clock.sleep(left)
            if len(self._ready) == self._count:
                self._missing.clear()
                continue
            if self._failures:
                await self._clock.sleep(min(FIRST_PAUSE_SECONDS * 2 ** (self._failures - 1), LONGEST_PAUSE_SECONDS))
            await self._load()

    async def _load(self) -> None:
        """Add one spare, if it comes to be ready."""
        starting = asyncio.create_task(
            asyncio.to_thread(SpareWorker.start, self._folder, self._command, self._environment)
        )
        try:
            spare = await asyncio.shield(starting)
        except asyncio.CancelledError:
            await self._abandon(await starting)
            raise
        except OSError as error:
            self._failures += 1
            self._logger.warning("spare_worker_not_started", error=str(error))
            return
        try:
            ready = await spare.ready()
        except asyncio.CancelledError:
            await self._abandon(spare)
            raise
        if not ready:
            self._lose(spare)
            return
        self._ready[spare] = asyncio.create_task(self._watch(spare), name=f"spare-{spare.pid}")
        self._logger.info("spare_worker_ready", keeper_pid=spare.pid)

    async def _watch(self, spare: SpareWorker) -> None:
        await spare.ended()
        self._ready.pop(spare, None)
        self._missing.set()
        self._lose(spare)

    def _lose(self, spare: SpareWorker) -> None:
        self._failures += 1
        self._logger.warning("spare_worker_ended", keeper_pid=spare.pid, said=spare.said())
        spare.end()

    async def _abandon(self, spare: SpareWorker) -> None:
        spare.end()
        await asyncio.to_thread(spare.wait)
