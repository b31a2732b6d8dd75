"""What all watches with the same selection share."""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple

from services.operations.watching.messages import Message, messages_of
from services.operations.watching.news import News
from services.operations.watching.pieces import Pieces, Reader
from services.operations.watching.query import Selection

_KEPT_STEPS: Final = 3
_KEPT_BYTES: Final = 8 * 2**20
_FOLLOWER: Final = Reader(follows=True)


class Step(NamedTuple):
    """Messages that bring a follower from one stop of the feed to the next, and the revision of that stop."""

    up_to: int
    messages: tuple[Message, ...]


class Feed:
    """Prepares each message once for all its followers, who are numbered places behind each other.

    A follower that falls behind by more than a few steps catches up in one: it is told the latest states only.

    Args:
        selection: What is wanted.
        pieces: Chooses what is told.
        head: Revision to begin at.
        message_bytes: Begin another message where one would get larger than this.

    Attributes:
        selection: What is wanted.
        pieces: Chooses what is told.
        head: Revision up to which the steps reach.
        count: Number of steps so far.
        followers: Watches that use the feed.
    """

    def __init__(self, selection: Selection, pieces: Pieces, head: int, message_bytes: int) -> None:
        self._message_bytes = message_bytes
        self.selection = selection
        self.pieces = pieces
        self.head = head
        self.count = 0
        self.followers = 0
        self._steps: deque[Step] = deque()
        self._bytes = 0
        self._waiting: set[asyncio.Future[None]] = set()

    def advance(self, news: News | None, up_to: int) -> None:
        """Take the next step.

        Args:
            news: What happened since the head; None where memory does not tell: then followers catch up by themselves.
            up_to: Up to where.
        """
        after, self.head = self.head, up_to
        if news is None:
            self._forget_steps()
            self.count += 1
        elif messages := messages_of(self.pieces.of(news, _FOLLOWER), after, up_to, self._message_bytes):
            self._keep(Step(up_to, tuple(messages)))
            self.count += 1

    def step(self, number: int) -> Step | None:
        """Return a step by its number, None where it is not kept: too far behind, or never prepared."""
        place = number - (self.count - len(self._steps))
        return self._steps[place] if 0 <= place < len(self._steps) else None

    async def wait(self, seconds: float) -> None:
        """Wait until there is a step more, or for `seconds`."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiting.add(waiter)
        timer = loop.call_later(max(seconds, 0.0), _wake, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiting.discard(waiter)

    def take_waiting(self) -> Iterable[asyncio.Future[None]]:
        """Return all who wait, for them to be woken."""
        waiting, self._waiting = self._waiting, set()
        return waiting

    def _keep(self, step: Step) -> None:
        self._steps.append(step)
        self._bytes += _size(step)
        while len(self._steps) > 1 and (len(self._steps) > _KEPT_STEPS or self._bytes > _KEPT_BYTES):
            self._bytes -= _size(self._steps.popleft())

    def _forget_steps(self) -> None:
        self._steps.clear()
        self._bytes = 0


def _size(step: Step) -> int:
    return sum(len(message.data) for message in step.messages)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
