"""Connections of the store while whoever asks is cancelled."""

import asyncio
from pathlib import Path

import pytest

from services.operations.store import Store


@pytest.mark.parametrize("turns", [*range(1, 13), 20, 40])
async def test_a_question_that_is_cancelled_leaves_no_file_open(tmp_path: Path, turns: int) -> None:
    store = await Store.open(tmp_path / "store.sqlite3")
    question = asyncio.create_task(store.read.hosts())
    for _ in range(turns):  # into the opening of the first connection, its pragmas, and the question itself
        await asyncio.sleep(0.0002)
    question.cancel()
    await asyncio.gather(question, return_exceptions=True)
    await store.close()
