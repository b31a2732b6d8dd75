"""All feeds: they advance together whenever something has changed, at a pace that leaves the event loop to others."""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from services.operations.registry import Registry
from services.operations.watching.encoded_operations import EncodedOperations
from services.operations.watching.feed import Feed
from services.operations.watching.news import News, RecentNews
from services.operations.watching.pieces import Pieces
from services.operations.watching.query import Selection
from services.operations.watching.sizes import Sizes

_SHORTEST_PAUSE_SECONDS: Final = 0.001
_PAUSE_FOR_EACH_SECONDS: Final = 0.0002
"""More than twice what it takes to write a message: so watches take less than half of the event loop."""
_WOKEN_AT_ONCE: Final = 32
"""Others have their turn after so many."""

_logger = structlog.get_logger()


class Feeds:
    """Keeps a feed for each selection that somebody watches.

    Args:
        registry: The operations.
        news: What changed lately.
        encoded: Encodes operations.
        sizes: How much to take at once.
    """

    def __init__(self, registry: Registry, news: RecentNews, encoded: EncodedOperations, sizes: Sizes) -> None:
        self._sizes = sizes
        self._registry = registry
        self._news = news
        self._encoded = encoded
        self._feeds: dict[Selection, Feed] = {}
        self._scheduled: asyncio.TimerHandle | None = None
        self._not_before = 0.0
        self._to_wake: deque[asyncio.Future[None]] = deque()
        self._waking = False
        registry.index.on_change(self._look_soon)

    def __len__(self) -> int:
        """Return how many feeds there are."""
        return len(self._feeds)

    @contextmanager
    def follow(self, selection: Selection) -> Iterator[Feed]:
        """Give the feed of a selection for as long as the block runs."""
        feed = self._feeds.get(selection)
        if feed is None:
            pieces = Pieces(selection, self._registry.index, self._encoded)
            feed = self._feeds[selection] = Feed(
                selection, pieces, self._registry.revisions.visible, self._sizes.message_bytes
            )
        feed.followers += 1
        try:
            yield feed
        finally:
            feed.followers -= 1
            if not feed.followers:
                del self._feeds[selection]
            if not self._feeds and self._scheduled is not None:
                self._scheduled.cancel()
                self._scheduled = None

    def wake_all(self) -> None:
        """Wake all who wait, whether or not there is anything new."""
        for feed in self._feeds.values():
            self._wake(feed)

    def bring_up(self, feed: Feed) -> None:
        """Advance a feed to the highest revision that may be shown."""
        self._advance(feed, self._registry.revisions.visible, {})

    def _look_soon(self) -> None:
        if self._scheduled is None and self._feeds:
            loop = asyncio.get_running_loop()
            self._scheduled = loop.call_at(max(loop.time(), self._not_before), self._look)

    def _look(self) -> None:
        self._scheduled = None
        visible, woken = self._registry.revisions.visible, 0
        shared: dict[tuple[int, bool], News | None] = {}
        for feed in self._feeds.values():
            woken += self._advance(feed, visible, shared)
        pause = max(_SHORTEST_PAUSE_SECONDS, woken * _PAUSE_FOR_EACH_SECONDS)
        self._not_before = asyncio.get_running_loop().time() + pause

    def _advance(self, feed: Feed, up_to: int, shared: dict[tuple[int, bool], News | None]) -> int:
        """Advance a feed; return how many messages that makes to be written."""
        before = feed.count
        if feed.head >= up_to:
            return 0
        key = (feed.head, feed.selection.include_metrics)
        if key not in shared:
            shared[key] = self._news.between(feed.head, up_to, include_metrics=feed.selection.include_metrics)
        try:
            feed.advance(shared[key], up_to)
        except Exception:
            # Followers look for themselves, and fail by themselves.
            _logger.exception("watch_step_failed")
            feed.advance(None, up_to)
        return self._wake(feed) if feed.count > before else 0

    def _wake(self, feed: Feed) -> int:
        self._to_wake.extend(feed.take_waiting())
        if self._to_wake and not self._waking:
            self._waking = True
            self._wake_some()
        return feed.followers

    def _wake_some(self) -> None:
        for _ in range(min(_WOKEN_AT_ONCE, len(self._to_wake))):
            waiter = self._to_wake.popleft()
            if not waiter.done():
                waiter.set_result(None)
        self._waking = bool(self._to_wake)
        if self._waking:
            asyncio.get_running_loop().call_soon(self._wake_some)
