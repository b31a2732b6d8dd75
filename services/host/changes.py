"""Wake whoever waits for a change."""

import asyncio


class ChangeSignal:
    """A counter of changes that can be waited for. A change wakes all tasks of the event loop that wait."""

    def __init__(self) -> None:
        self._version = 0
        self._changed = asyncio.Event()

    @property
    def version(self) -> int:
        """Number of changes so far. Read it before looking at what may change: then no change is missed."""
        return self._version

    def notify(self) -> None:
        """Something has changed."""
        self._version += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def wait(self, seen: int, timeout_seconds: float) -> bool:
        """Wait until there are changes after the first `seen`.

        Returns:
            False where the time ran out first.
        """
        if self._version != seen:
            return True
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True
