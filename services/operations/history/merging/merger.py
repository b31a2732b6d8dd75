"""Merge blocks in the background."""

import asyncio
import struct
import time
from collections.abc import Sequence
from typing import Final

import structlog
from google.protobuf.message import DecodeError

from services.common.errors import ServiceError
from services.operations.changes import Changes
from services.operations.history.block_layout import UnknownLayoutError
from services.operations.history.merging.blocks import JournalKey, Merge, blocks_of, merged, sizes_of
from services.operations.history.merging.earlier import EarlierJournals
from services.operations.history.merging.plan import MOST_BLOCKS, groups_to_merge
from services.operations.history.merging.waiting import WaitingJournals
from services.operations.registry import Registry
from services.operations.store import Store

_logger = structlog.get_logger()

_UNREADABLE: Final = (DecodeError, UnknownLayoutError, ValueError, struct.error)
"""What comes of blocks that something else than this software has written: they stay as they are."""
_SHARE: Final = 0.1
"""Most of its time that it is at work."""
_AFTER_FAILURE_SECONDS: Final = 60.0


class Merger:
    """Merges blocks, a few hundred at a time, in transactions of its own between those of the registry.

    A merge is one transaction, and leaves all points where they were: killed at any moment the store has the small
    blocks or the large one. When the store takes none (a full disk, say), nothing else is affected.

    Args:
        registry: The operations.
        store: Where the blocks are.
        share: Most of its time that it is at work: it pauses in between.
    """

    def __init__(self, registry: Registry, store: Store, *, share: float = _SHARE) -> None:
        self._registry = registry
        self._store = store
        self._share = share
        self._waiting = WaitingJournals()
        self._earlier = EarlierJournals(store.read, registry.revisions.visible)
        self._task: asyncio.Task[None] | None = None
        registry.on_points(self._waiting.points_came)
        registry.on_end(self._waiting.ended)

    def start(self) -> None:
        """Begin to work."""
        self._task = asyncio.create_task(self._run(), name="merge blocks")

    async def close(self) -> None:
        """End; a transaction that has begun is ended in order."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            began = time.monotonic()
            try:
                worked = await self.step()
            except Exception as error:
                problem = str(error) if isinstance(error, ServiceError) else repr(error)
                _logger.warning("merging_failed", problem=problem, next_try_seconds=_AFTER_FAILURE_SECONDS)
                await asyncio.sleep(_AFTER_FAILURE_SECONDS)
                continue
            if worked:
                await asyncio.sleep((time.monotonic() - began) * (1 / self._share - 1))
            else:
                await self._waiting.wait()

    async def step(self) -> bool:
        """Do a small part of what there is to do; return False if there is nothing.

        Raises:
            ServiceError: The store did not take it. Everything is tried again in a later step.
        """
        merges: list[Merge] = []
        while sum(merge.blocks for merge in merges) < MOST_BLOCKS and (journal := self._waiting.take()):
            found = await self._merges_of(journal)
            merges += found
            if found:
                self._waiting.add(journal)  # what they become may be merged once more
        if merges:
            await self._write(merges)
        elif not self._earlier.finished:
            for journal in await self._earlier.next():
                self._waiting.add(journal)
        elif not self._earlier.noted:
            await self._commit(Changes(counters=self._earlier.note()))
        else:
            return False
        return True

    async def _merges_of(self, journal: JournalKey) -> list[Merge]:
        """Return the first merges of a journal that are to be done now."""
        live = self._registry.live.get(journal.operation_id)
        growing = live is not None and live.record.attempt == journal.attempt
        merges, count = [], 0
        for group in groups_to_merge(await sizes_of(self._store.read, journal), growing=growing):
            blocks = await blocks_of(self._store.read, journal, group)
            if len(blocks) == len(group):
                try:
                    merges.append(await asyncio.to_thread(merged, journal, blocks))
                except _UNREADABLE:
                    _logger.exception("metrics_unreadable", first_seq=blocks[0].first_seq, **journal._asdict())
            count += len(group)
            if count >= MOST_BLOCKS:
                break
        return merges

    async def _write(self, merges: Sequence[Merge]) -> None:
        await self._commit(Changes(statements=[one for merge in merges for one in merge.statements()]))

    async def _commit(self, changes: Changes) -> None:
        await self._registry.commits.settled()
        writing = asyncio.ensure_future(self._store.write(changes))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.gather(writing, return_exceptions=True)
            raise
