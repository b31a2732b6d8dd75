"""Looking whether a session has a keeper does not keep one from beginning."""

import asyncio
import fcntl
import os
from pathlib import Path

import pytest

from services.host.folder import SessionFolder
from services.host.process_spawn import keeper_lives, locked_for_keeper


def take(session: SessionFolder) -> bool:
    with locked_for_keeper(session):
        return keeper_lives(session)


async def test_a_keeper_begins_although_somebody_is_just_looking_for_one(tmp_path: Path) -> None:
    session = SessionFolder(tmp_path)
    looker = os.open(session.keeper_lock, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(looker, fcntl.LOCK_SH | fcntl.LOCK_NB)
        assert not keeper_lives(session), "somebody else who looks is no keeper"
        beginning = asyncio.create_task(asyncio.to_thread(take, session))
        await asyncio.wait([beginning], timeout=0.05)
    finally:
        os.close(looker)
    assert await beginning


def test_there_are_no_two_keepers(tmp_path: Path) -> None:
    session = SessionFolder(tmp_path)
    with locked_for_keeper(session), pytest.raises(BlockingIOError):
        take(session)
