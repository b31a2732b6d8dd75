"""The messages of one StreamBars call."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterator
from typing import Any

import pyarrow as pa
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.common.threads import in_thread
from services.ib_host.store.columns import SCHEMA
from services.ib_host.store.snapshot import Snapshot
from services.ib_host.streaming.arrow import pieces
from services.ib_host.streaming.bars_query import BarsQuery

Responses = Generator[ib_pb2.StreamBarsResponse, None, None]


def responses_of(snapshot: Snapshot, query: BarsQuery) -> Iterator[ib_pb2.StreamBarsResponse]:
    """Yield the messages: the dataset with the first bytes, then the rest. What is yet to come is not read.

    Args:
        snapshot: the version of the dataset; stays open until the last message.
        query: which of its bars.

    Raises:
        ServiceError: STORE_CORRUPT.
    """
    dataset: bars_pb2.Dataset | None = snapshot.dataset
    if query.known_fingerprint and query.known_fingerprint == snapshot.dataset.fingerprint:
        yield ib_pb2.StreamBarsResponse(dataset=dataset, unchanged=True)
        return
    schema = pa.schema([SCHEMA.field(name) for name in query.columns])
    for piece in pieces(snapshot.tables(query.start, query.end, columns=query.columns), schema, query.batch_rows):
        yield ib_pb2.StreamBarsResponse(dataset=dataset, arrow_ipc=piece.content, rows=piece.rows)
        dataset = None


async def read_ahead(responses: Responses) -> AsyncGenerator[ib_pb2.StreamBarsResponse, None]:
    """Yield what a generator that blocks yields: the next message is made in a thread while the last one is sent.

    No more than that is made before it is wanted. However this ends, the generator is closed then.

    Raises:
        ServiceError: as the generator.
    """
    following: asyncio.Task[Any] | None = None
    try:
        response = await in_thread(next, responses, None)
        while response is not None:
            following = asyncio.ensure_future(in_thread(next, responses, None))
            yield response
            response = await following
    finally:
        if following is not None and not following.done():
            following.cancel()
            await asyncio.wait({following})
        responses.close()
