"""Printed output stays within its bound without anybody reading it."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.host.folder import SessionFolder
from services.host.session_log.output_trimmer import OutputTrimmer
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock

LIMIT = 1_000


@dataclass(frozen=True)
class Printing:
    folder: SessionFolder

    @property
    def size(self) -> int:
        return self.folder.log.stat().st_size

    def print(self, size: int) -> None:
        with self.folder.log.open("ab") as file:
            file.write(b"x" * (size - 1) + b"\n")


@pytest.fixture
def session(tmp_path: Path) -> Printing:
    return Printing(SessionFolder(tmp_path))


@asynccontextmanager
async def trimming(live: list[Printing], clock: FakeClock) -> AsyncIterator[None]:
    trimmer = OutputTrimmer(lambda: live, threading.Lock(), LIMIT, clock)
    trimmer.start()
    try:
        await eventually(lambda: clock.sleeping)
        yield
    finally:
        await trimmer.stop()


async def turn(clock: FakeClock) -> None:
    """Let the trimmer look once."""
    clock.advance(30)
    await eventually(lambda: clock.sleeping)


async def test_live_sessions_are_trimmed_and_once_more_after_their_end(session: Printing) -> None:
    clock, live = FakeClock(), [session]
    async with trimming(live, clock):
        session.print(LIMIT)
        await turn(clock)
        assert session.size == LIMIT
        session.print(500)
        await turn(clock)
        assert session.size == 0
        live.clear()
        session.print(LIMIT + 1)
        await turn(clock)
        assert session.size == 0
        session.print(LIMIT + 1)
        await turn(clock)
        assert session.size == LIMIT + 1


async def test_a_session_that_cannot_be_trimmed_keeps_nobody_from_the_others(session: Printing, tmp_path: Path) -> None:
    other = Printing(SessionFolder(tmp_path / "other"))
    other.folder.path.mkdir()
    other.folder.log.with_name("worker.log.1.new").mkdir()  # nothing can be written there
    clock = FakeClock()
    async with trimming([other, session], clock):
        for each in (other, session):
            each.print(LIMIT + 1)
        await turn(clock)
    assert (other.size, session.size) == (LIMIT + 1, 0)
