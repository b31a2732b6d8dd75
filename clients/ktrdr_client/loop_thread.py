"""One event loop on a thread of its own, for programs without asyncio (and for notebooks, whose loop is taken)."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from typing import Any, ClassVar, TypeVar

T = TypeVar("T")


class LoopThread:
    """A running event loop that all synchronous clients of a process share; it ends with the last of them."""

    _lock: ClassVar[threading.Lock] = threading.Lock()
    _shared: ClassVar["LoopThread | None"] = None

    def __init__(self) -> None:
        self._users = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="ktrdr-client", daemon=True)
        self._thread.start()

    @classmethod
    def acquire(cls) -> "LoopThread":
        """Return the shared loop, started if it is not running; every user releases it once."""
        with cls._lock:
            if cls._shared is None:
                cls._shared = cls()
            cls._shared._users += 1  # noqa: SLF001 - its own class
            return cls._shared

    def release(self) -> None:
        """Give up the loop; the last user ends it."""
        with self._lock:
            self._users -= 1
            if self._users:
                return
            LoopThread._shared = None
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and return its result; leaving early (Ctrl-C) cancels it."""
        if threading.current_thread() is self._thread:
            work.close()
            message = "the synchronous client cannot be called from its own event loop; use AsyncClient there"
            raise RuntimeError(message)
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()

    def iterate(self, generator: AsyncGenerator[T, None]) -> Iterator[T]:
        """Yield what an asynchronous generator yields; it is closed when the iteration ends, however it ends."""
        done = object()
        advancing: asyncio.Task[object] | None = None

        async def advance() -> T | object:
            nonlocal advancing
            advancing = asyncio.current_task()
            return await anext(generator, done)

        async def close() -> None:
            if advancing is not None:
                # Ctrl-C ends the wait for it at once, and the step itself later: in order, if it is asked once.
                if not advancing.cancelling():
                    advancing.cancel()
                await asyncio.gather(advancing, return_exceptions=True)
            await generator.aclose()

        try:
            while (item := self.run(advance())) is not done:
                # Whatever is not the mark came from the generator.
                yield item  # type: ignore[misc]
        finally:
            self.run(close())

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            leftover = asyncio.all_tasks(self._loop)
            for task in leftover:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*leftover, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()
