"""Ways for a training loop to report one event of eight metrics; the benchmark compares them."""

import asyncio
import queue
import threading
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, Protocol

EPOCHS = 60
Metrics = Mapping[str, float]


class BatchReporter(Protocol):
    """Reports a batch; this alone is timed."""

    def on_batch(self, batch: int, total: int, metrics: Metrics, /) -> None:
        """Report one event."""


class EpochReporter(Protocol):
    """Reports an epoch; this alone is timed."""

    def on_epoch(self, epoch: int, metrics: Metrics, /) -> None:
        """Report one event."""


class InMemory:
    """The plain in-memory bridge: a copy of the dict, the percentage, the step text. It keeps all, as a journal."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.percentage = 0.0
        self.step = ""
        self.epoch = 3

    def on_batch(self, batch: int, total: int, metrics: Metrics) -> None:
        """Append and describe."""
        self.rows.append(dict(metrics))
        self.percentage = 100.0 * (self.epoch + batch / total) / EPOCHS
        self.step = f"epoch {self.epoch}/{EPOCHS}, batch {batch}/{total}"

    def on_epoch(self, epoch: int, metrics: Metrics) -> None:
        """Append and describe an epoch; the text is shorter than a batch's."""
        self.rows.append(dict(metrics))
        self.percentage = 100.0 * epoch / EPOCHS
        self.step = f"epoch {epoch}/{EPOCHS}"


class InQueue:
    """`queue.Queue`, for a thread that would take from it."""

    def __init__(self) -> None:
        self._queue: queue.Queue[tuple[int, int, Metrics]] = queue.Queue()

    def on_batch(self, batch: int, total: int, metrics: Metrics) -> None:
        """Hand over."""
        self._queue.put_nowait((batch, total, metrics))

    def settle(self) -> None:
        """Take everything."""
        while not self._queue.empty():
            self._queue.get_nowait()


class InLoop:
    """Push to an event loop of another thread, without waiting for the result."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._lock = asyncio.Lock()
        self._rows: list[Metrics] = []

    async def _store(self, metrics: Metrics) -> None:
        async with self._lock:
            self._rows.append(metrics)

    def on_batch(self, batch: int, total: int, metrics: Metrics) -> None:  # noqa: ARG002  # every way has one signature
        """Push."""
        asyncio.run_coroutine_threadsafe(self._store(metrics), self._loop)

    def settle(self) -> None:
        """Wait until the loop has done everything."""
        asyncio.run_coroutine_threadsafe(_nothing(), self._loop).result()
        self._rows.clear()

    def close(self) -> None:
        """End the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _nothing() -> Coroutine[Any, Any, None]:
    return asyncio.sleep(0)


class InPrometheus:
    """prometheus_client, one labelled gauge a metric."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Gauge

        self._gauge: Any = Gauge("metric", "A metric", ["name"], registry=CollectorRegistry())

    def on_batch(self, batch: int, total: int, metrics: Metrics) -> None:  # noqa: ARG002  # every way has one signature
        """Set."""
        for name, value in metrics.items():
            self._gauge.labels(name).set(value)


class InTensorBoard:
    """TensorBoard, one scalar a metric."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder))
        self._step = 0

    def on_batch(self, batch: int, total: int, metrics: Metrics) -> None:  # noqa: ARG002  # every way has one signature
        """Add."""
        self._step += 1
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, self._step)

    def settle(self) -> None:
        """Wait until its thread has written everything."""
        self._writer.flush()

    def close(self) -> None:
        """End its thread."""
        self._writer.close()
