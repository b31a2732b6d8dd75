"""Serves watches."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from services.common.clock import Clock
from services.common.watches import WatchLimit
from services.operations.demand import Demand
from services.operations.presenter import Presenter
from services.operations.registry import Registry
from services.operations.store_reader import StoreReader
from services.operations.watching.catch_up import CatchUp, require_in_range
from services.operations.watching.encoded_operations import EncodedOperations
from services.operations.watching.feed import Feed
from services.operations.watching.feeds import Feeds
from services.operations.watching.messages import bookmark, so_far
from services.operations.watching.news import RecentNews
from services.operations.watching.pieces import Reader
from services.operations.watching.query import WatchQuery
from services.operations.watching.recent_points import RecentPoints
from services.operations.watching.sizes import Sizes
from services.operations.watching.snapshot import Snapshot

LIFE_SECONDS: Final = (300.0, 600.0)
"""How long a watch lives: at least, and at most."""
_SIZES: Final = Sizes()


class Watching:
    """Serves watches.

    Args:
        registry: The operations.
        reader: Questions to the store.
        presenter: Tells operations.
        demand: Is told that somebody watches.
        limit: Most watches at the same time.
        stopping: Set when the server stops.
        clock: The time.
        rng: Chooses how long a watch lives, so that watches that began together do not come back together.
        life_seconds: Between which lengths it chooses.
        sizes: How much to take at once.
    """

    def __init__(
        self,
        registry: Registry,
        reader: StoreReader,
        presenter: Presenter,
        demand: Demand,
        limit: WatchLimit,
        stopping: asyncio.Event,
        clock: Clock,
        rng: random.Random,
        *,
        life_seconds: tuple[float, float] = LIFE_SECONDS,
        sizes: Sizes = _SIZES,
    ) -> None:
        recent = RecentPoints(registry.revisions.latest, sizes.recent_values)
        registry.on_points(recent.take)
        self._registry = registry
        self._demand = demand
        self._limit = limit
        self._stopping = stopping
        self._clock = clock
        self._rng = rng
        self._life_seconds = life_seconds
        self._catch_up = CatchUp(registry, recent, reader, sizes)
        self._feeds = Feeds(registry, RecentNews(registry, recent), EncodedOperations(presenter, clock), sizes)

    def begin_stop(self) -> None:
        """Let all watches end themselves: the server stops."""
        self._feeds.wake_all()

    async def watch(self, query: WatchQuery, *, client: str = "") -> AsyncGenerator[bytes, None]:
        """Yield serialized responses: what changed, a bookmark, and changes as they come.

        Ends by itself after some minutes, and when the server stops.

        Args:
            query: What is asked for.
            client: Who asks.

        Raises:
            ServiceError: REVISION_OUT_OF_RANGE or TOO_MANY_WATCHES.
        """
        require_in_range(self._registry, query.after_revision)
        with self._limit.hold(client), self._demand.hold(), self._feeds.follow(query.selection) as feed:
            async with aclosing(self._follow(feed, query)) as messages:
                async for message in messages:
                    yield message

    async def _follow(self, feed: Feed, query: WatchQuery) -> AsyncGenerator[bytes, None]:
        now, heartbeat = self._clock.monotonic, query.heartbeat_seconds
        end = now() + self._rng.uniform(*self._life_seconds)
        position, seen = self._begin(feed, query.after_revision), -1
        reader = Reader(knows_nothing=query.after_revision == 0)
        snapshot, bookmark_at = Snapshot(self._registry, query.selection), now() + heartbeat
        while True:
            if (step := feed.step(seen)) is not None:
                for message in step.messages:
                    yield message.data
                    bookmark_at = now() + heartbeat
                position, seen = step.up_to, seen + 1
            elif seen != feed.count:
                seen, target = feed.count, feed.head
                news = self._catch_up.messages(query.selection, feed.pieces, reader, after=position, up_to=target)
                async with aclosing(news) as messages:
                    async for message in messages:
                        yield message.data
                        bookmark_at = now() + heartbeat
                position, reader = target, Reader(follows=True)
            else:
                position = feed.head
            if snapshot.ends_at(position) or now() >= bookmark_at:
                yield bookmark(position) if snapshot.is_whole else so_far(position)
                bookmark_at = now() + heartbeat
            if self._stopping.is_set() or now() >= end:
                return
            if seen == feed.count:
                await feed.wait(min(bookmark_at, end) - now())

    def _begin(self, feed: Feed, after_revision: int) -> int:
        """Return where a watch begins, which the feed has reached then."""
        position = min(after_revision, self._registry.revisions.visible)
        if feed.head < position:
            self._feeds.bring_up(feed)
        return position
