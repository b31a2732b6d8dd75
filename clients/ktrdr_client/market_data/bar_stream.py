"""Bars on their way: an Arrow stream that arrives on an event loop and is decoded, batch by batch, in a thread."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from ktrdr.ib.v1.bars_pb2 import Dataset
from ktrdr.ib.v1.ib_pb2 import StreamBarsResponse

from ktrdr_client.bars import import_pyarrow
from ktrdr_client.errors import DataLoss


class StreamStopped(Exception):
    """Nobody wants the rest of the stream."""


class BarStream:
    """A file that a thread reads the bytes of a StreamBars call from; no more of them is kept than one message.

    Args:
        messages: The messages, on the running event loop.
    """

    closed = False

    def __init__(self, messages: AsyncIterator[StreamBarsResponse]) -> None:
        self.dataset = Dataset()
        """What the bars are taken from; known once the first bytes are read."""
        self._messages = messages
        self._loop = asyncio.get_running_loop()
        self._stopped = False
        self._arriving: asyncio.Task[object] | None = None
        self._failure: BaseException | None = None
        self._rest = memoryview(b"")

    def stop(self) -> None:
        """Let the thread come to an end, whatever it waits for; called on the event loop."""
        self._stopped = True
        if self._arriving is not None:
            self._arriving.cancel()

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def close(self) -> None:
        """Do nothing: the call is ended where it was begun."""

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes, fewer only at the end; called in the thread."""
        pieces, wanted = [], size if size >= 0 else 2**63
        while wanted and (self._rest or self._next()):
            piece = self._rest[:wanted]
            self._rest = self._rest[len(piece) :]
            wanted -= len(piece)
            pieces.append(bytes(piece))
        return b"".join(pieces)

    def batches(self) -> Iterator[Any]:
        """Yield the record batches; called in the thread.

        Raises:
            DataLoss: The bytes are not the Arrow stream that they should be.
            StreamStopped: `stop` was called.
            grpc.aio.AioRpcError: The call failed.
        """
        pyarrow = import_pyarrow()
        try:
            with pyarrow.ipc.open_stream(pyarrow.PythonFile(self, mode="r")) as reader:
                while (batch := _next_batch(reader)) is not None:
                    yield batch
        except (pyarrow.ArrowException, OSError) as error:
            if self._failure is not None:
                raise self._failure from None
            message = f"the bars that arrived cannot be decoded: {error}"
            raise DataLoss(message) from error

    def _next(self) -> bool:
        """Wait for the next message; False at the end."""
        try:
            message = asyncio.run_coroutine_threadsafe(self._arrival(), self._loop).result()
        except BaseException as error:
            self._failure = error  # what comes through Arrow from here may have lost its type
            raise
        if message is None:
            return False
        if message.HasField("dataset"):
            self.dataset = message.dataset
        self._rest = memoryview(message.arrow_ipc)
        return True

    async def _arrival(self) -> StreamBarsResponse | None:
        # Kept on the loop, where `stop` is called: the thread may be held up before it could keep anything.
        self._arriving = asyncio.current_task()
        while not self._stopped:
            message = await anext(self._messages, None)
            if message is None or message.arrow_ipc:
                return message
            if message.HasField("dataset"):
                self.dataset = message.dataset
        raise StreamStopped


def _next_batch(reader: Any) -> Any:
    try:
        return reader.read_next_batch()
    except StopIteration:
        return None
