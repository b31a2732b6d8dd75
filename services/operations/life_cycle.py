"""What happens to operations after their end: they are tried again, changed, deleted, and outlived by newer ones."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from services.common.clock import Clock
from services.operations.amendment.amendment import Amendment
from services.operations.amendment.update import Update
from services.operations.connections import Connections
from services.operations.deletion.deletion import Deletion
from services.operations.deletion.deletion_reader import DeletionReader
from services.operations.deletion.retention import Bounds, Retention
from services.operations.deletion.session_removal import SessionRemoval
from services.operations.demand import Demand
from services.operations.followed_host import FollowedHost
from services.operations.lineage.lineage import Lineage
from services.operations.lineage.lineage_reader import LineageReader
from services.operations.placement import Placement
from services.operations.presenter import Presenter
from services.operations.registry import Registry
from services.operations.requests_once import RequestsOnce
from services.operations.retry.retry import Retry
from services.operations.settings import OperationsSettings
from services.operations.store_reader import StoreReader
from services.operations.turns import Turns
from services.operations.wishes import Wishes

_RETENTION_EVERY_SECONDS: Final = 3600.0


class LifeCycle:
    """Everything that changes operations which have ended.

    Args:
        registry: The operations.
        reader: Questions to the store.
        requests: Knows requests that came before.
        hosts: All hosts by name.
        connections: Connections to them.
        placement: Knows which of them take what.
        wishes: Sends attempts to hosts.
        presenter: Tells operations.
        demand: Is told that somebody waits.
        clock: The time.
        settings: Bounds and times.

    Attributes:
        retry: Tries operations again.
        update: Changes what people keep with them.
        deletion: Deletes them.
        amendment: Changes them, wherever they are.
    """

    def __init__(
        self,
        registry: Registry,
        reader: StoreReader,
        requests: RequestsOnce,
        hosts: Mapping[str, FollowedHost],
        connections: Connections,
        placement: Placement,
        wishes: Wishes,
        presenter: Presenter,
        demand: Demand,
        clock: Clock,
        settings: OperationsSettings,
    ) -> None:
        turns, deletions = Turns(), DeletionReader(reader)
        self.amendment = Amendment(registry, turns)
        self.update = Update(self.amendment, presenter, clock)
        self.retry = Retry(
            registry,
            requests,
            hosts,
            placement,
            wishes,
            presenter,
            demand,
            turns,
            clock,
            settings.create_wait_seconds,
        )
        self._removal = SessionRemoval(
            deletions,
            registry.commits,
            hosts,
            connections,
            clock,
            settings.session_removal_interval_seconds,
        )
        self.deletion = Deletion(registry, deletions, turns, self._removal, clock)
        bounds = Bounds(
            timedelta(days=settings.keep_days), settings.keep_operations, timedelta(days=settings.tombstone_days)
        )
        self._retention = Retention(registry, deletions, turns, clock, bounds, _RETENTION_EVERY_SECONDS)
        self._lineage = Lineage(registry, LineageReader(reader), self.amendment)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to remove sessions, to keep within bounds, and to link operations with what they read."""
        self._lineage.resume()
        self._tasks.append(asyncio.create_task(self._lineage.run(), name="lineage"))
        self._tasks.append(asyncio.create_task(self._removal.run(), name="removal of sessions"))
        self._tasks.append(asyncio.create_task(self._retention.run(), name="retention"))

    async def stop(self) -> None:
        """End all that."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._removal.close()
