"""Keeps the garbage collector from holding the event loop up.

A full collection looks at every object there is: a second for some millions, again and again as they become more. What
a collection has found to be in use is therefore set aside (`gc.freeze`), and the next one looks only at what is newer.
Objects that are set aside are freed as ever when the last reference goes; only cycles among them stay, so now and then
everything is looked at again.
"""

import gc
import time
from typing import Final

_THOROUGH_EVERY_SECONDS: Final = 3_600.0
_OLDEST: Final = 2


def keep_collections_short() -> None:
    """Set aside what is there now, and later whatever a full collection has found to be in use."""
    gc.collect()
    gc.freeze()
    thorough_at = time.monotonic()

    def collected(phase: str, info: dict[str, int]) -> None:
        nonlocal thorough_at
        if phase != "stop" or info["generation"] != _OLDEST:
            return
        if time.monotonic() - thorough_at < _THOROUGH_EVERY_SECONDS:
            gc.freeze()
        else:
            thorough_at = time.monotonic()
            gc.unfreeze()  # the next collection looks at everything

    gc.callbacks.append(collected)
