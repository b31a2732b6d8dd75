"""Keeps the garbage collector from holding the event loop up.

A full collection looks at every object there is: that takes a second for some millions, and comes again and again as
they become more. What a collection has found to be in use is therefore set aside (`gc.freeze`), and the next one looks
only at what is newer. Objects that are set aside are freed as ever when the last reference goes; only cycles among them
stay, so now and then everything is looked at.
"""

import asyncio
import gc
import time
from typing import Final

_THOROUGH_EVERY_SECONDS: Final = 3_600.0
_NEW_OBJECTS: Final = 10_000
"""The youngest are looked at when there are so many more of them: what a message brings is gone by then."""
_MIDDLE: Final = 1
_MIDDLE_EVERY: Final = 5
_TIDY_EVERY: Final = 2
_NEVER: Final = 2**31 - 1


def keep_collections_short() -> None:
    """Set aside what is there now, and from now on what is still in use after some time. Call it in the event loop."""
    collector = _Collector(asyncio.get_running_loop())
    collector.tidy()
    gc.set_threshold(_NEW_OBJECTS, _MIDDLE_EVERY, _NEVER)
    gc.callbacks.append(collector.collected)


class _Collector:
    """Runs full collections instead of the interpreter."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._rounds = 0
        self._thorough_at = time.monotonic()

    def collected(self, phase: str, info: dict[str, int]) -> None:
        """Count collections of the middle generation; the interpreter calls this, in any thread."""
        if phase == "stop" and info["generation"] == _MIDDLE:
            self._rounds += 1
            if self._rounds % _TIDY_EVERY == 0 and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self.tidy)

    def tidy(self) -> None:
        """Collect what is new, and set aside what is in use; now and then look at everything."""
        if time.monotonic() - self._thorough_at > _THOROUGH_EVERY_SECONDS:
            self._thorough_at = time.monotonic()
            gc.unfreeze()
        gc.collect()
        gc.freeze()
