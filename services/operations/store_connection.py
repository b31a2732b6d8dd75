"""Connections of the store's pool."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


@asynccontextmanager
async def connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Lend a connection of the pool while the block runs.

    A pool may have to open one first. Cancelled on the way, SQLAlchemy would lose it with its thread and its open
    files (seen with 2.1.9: while the pragmas of a new connection are set), so opening comes to its end before the
    cancellation goes on.

    Args:
        engine: The pool.
    """
    connection = engine.connect()
    opening = asyncio.ensure_future(connection.start())
    try:
        await asyncio.shield(opening)
    except asyncio.CancelledError:
        await asyncio.wait({opening})
        if opening.exception() is None:
            await connection.close()
        raise
    try:
        yield connection
    finally:
        await connection.close()
