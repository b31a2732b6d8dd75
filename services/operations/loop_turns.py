"""Lets work that is ready all at once go through the event loop one after the other."""

import asyncio
from collections import deque


class LoopTurns:
    """Gives each turn of the event loop to a few of those who wait, in the order in which they came.

    Whatever else is ready has its turn in between: a reader waits for some answers of hosts, not for those of all.

    Args:
        at_once: To how many.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._room: int | None = None  # in this turn; None where nobody has come

    async def mine(self) -> None:
        """Return in a turn of the event loop in which there is room."""
        loop = asyncio.get_running_loop()
        if self._room is None:
            self._room = self._at_once
            loop.call_soon(self._pass_on, loop)
        if self._room and not self._waiting:
            self._room -= 1
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _pass_on(self, loop: asyncio.AbstractEventLoop) -> None:
        passed = 0
        while self._waiting and passed < self._at_once:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                passed += 1
        self._room = self._at_once - passed if passed else None
        if passed:
            loop.call_soon(self._pass_on, loop)
