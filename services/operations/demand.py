"""Whether anybody looks: hosts are polled as fast as they have news while somebody does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Demand:
    """Counts those who watch or wait for something."""

    def __init__(self) -> None:
        self._count = 0
        self._listeners: list[Callable[[], None]] = []

    @property
    def any(self) -> bool:
        """Somebody watches or waits now."""
        return self._count > 0

    def on_rise(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever somebody begins to watch or wait, or there is something to see."""
        self._listeners.append(listener)

    def look_now(self) -> None:
        """Say that there is something to see."""
        for listener in self._listeners:
            listener()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Count one more while the block runs."""
        self._count += 1
        self.look_now()
        try:
            yield
        finally:
            self._count -= 1
