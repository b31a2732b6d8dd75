"""The messages of one StreamBars call, as the bytes that go out.

To hand 64 MB to messages and to let them encode it again copies each byte twice more, which is a third of what the host
has to do for a million bars.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterator
from itertools import islice
from typing import Any, Final

import pyarrow as pa
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.common.threads import in_thread, wait_out
from services.host.wire import FieldStart
from services.ib_host.store.columns import SCHEMA
from services.ib_host.store.snapshot import Snapshot
from services.ib_host.streaming.arrow import pieces
from services.ib_host.streaming.bars_query import BarsQuery

ROWS_AT_ONCE: Final = 65_536
"""4 MiB of messages are made in one go, and wait for those before them to be sent."""
Responses = Generator[bytes, None, None]
"""Encoded messages of the type StreamBarsResponse."""
_ARROW_IPC: Final = FieldStart(ib_pb2.StreamBarsResponse, "arrow_ipc")


def responses_of(snapshot: Snapshot, query: BarsQuery) -> Iterator[bytes]:
    """Yield the encoded messages: the dataset with the first bytes, then the rest. What is yet to come is not read.

    Args:
        snapshot: the version of the dataset; stays open until the last message.
        query: which of its bars.

    Raises:
        ServiceError: STORE_CORRUPT.
    """
    dataset: bars_pb2.Dataset | None = snapshot.dataset
    if query.known_fingerprint and query.known_fingerprint == snapshot.dataset.fingerprint:
        yield ib_pb2.StreamBarsResponse(dataset=dataset, unchanged=True).SerializeToString()
        return
    schema = pa.schema([SCHEMA.field(name) for name in query.columns])
    for piece in pieces(snapshot.tables(query.start, query.end, columns=query.columns), schema, query.batch_rows):
        others = ib_pb2.StreamBarsResponse(dataset=dataset, rows=piece.rows).SerializeToString()
        yield b"".join((others, _ARROW_IPC.of(piece.size), *piece.parts))
        dataset = None


async def read_ahead(responses: Responses, *, at_once: int) -> AsyncGenerator[bytes, None]:
    """Yield what a generator that blocks yields: the next messages are made in a thread while the last ones are sent.

    No more than those are made before they are wanted. However this ends, the generator is closed then.

    Args:
        responses: makes the messages.
        at_once: how many are made in one go; each go costs a change of threads.

    Raises:
        ServiceError: as the generator.
    """
    following: asyncio.Task[Any] | None = None
    try:
        made = await in_thread(_some, responses, 1)
        while made:
            following = asyncio.ensure_future(in_thread(_some, responses, at_once))
            for response in made:
                yield response
            made = await following
    finally:
        if following is not None:
            following.cancel()
            await wait_out(following)  # the generator is at work in a thread
        responses.close()


def _some(responses: Responses, most: int) -> list[bytes]:
    return list(islice(responses, most))
