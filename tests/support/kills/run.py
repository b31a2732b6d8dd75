"""A run: sessions begin, suffer and end while services are killed; then everything is held against the ledgers."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Final

from tests.support.kills.examination import Report, ended_operation, examine
from tests.support.kills.readers import FaithfulReader
from tests.support.kills.schedule import Case, Strike
from tests.support.kills.victim import LONGEST_SECONDS, Victim, begin, suffer, summary
from tests.support.kills.world import World
from tests.support.status_reader import StatusReader

USUAL_START_SECONDS: Final = 0.4
"""Time in which a service starts on a machine that has little else to do."""


async def run(world: World, cases: Sequence[Case], strikes: Sequence[Strike], *, seed: int, parallel: int) -> Report:
    """Run cases, a few at a time, while services are killed; return when all has ended and been looked at."""
    reader = FaithfulReader(world, seed)
    slower = FaithfulReader(world, seed + 1, page_points=5_000, pause_seconds=0.1)
    victims = [Victim(case) for case in cases]
    following = [asyncio.create_task(each.follow()) for each in (reader, slower)]
    striking = asyncio.create_task(_strike(world, strikes, (reader, slower)))
    try:
        places = asyncio.Semaphore(parallel)
        async with asyncio.TaskGroup() as group:
            for victim in victims:
                group.create_task(_live(world, victim, reader, places))
            group.create_task(_fail_with([*following, striking], until=lambda: all(each.over for each in victims)))
        striking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await striking
        async with world.turn:
            pass  # a strike that has begun is over now, and everything runs
        await _until(lambda: _have_all(reader, slower), "all are final")
    finally:
        for task in (*following, striking):
            task.cancel()
        await asyncio.gather(*following, striking, return_exceptions=True)
    return await examine(world, victims, (reader, slower))


def _have_all(*readers: StatusReader) -> bool:
    """Tell whether all sessions that anybody knows are final to everybody."""
    known = {each for reader in readers for each in reader.sessions}
    return all(len(reader.finals) == len(known) for reader in readers)


async def _live(world: World, victim: Victim, reader: StatusReader, places: asyncio.Semaphore) -> None:
    async with places:
        await begin(world, victim)
        await suffer(world, victim)
        if victim.cancelled and victim.case.through == "registry":
            # It may have been stopped before the host heard of it; then the host never does.
            await ended_operation(world, victim)
            victim.withheld = not world.folder(victim.session_id).path.exists()
        if victim.started and not victim.withheld:
            await _until(lambda: victim.session_id in reader.finals, f"{summary(victim)} is final")
        victim.over = True


async def _fail_with(tasks: "Sequence[asyncio.Task[None]]", *, until: Callable[[], bool]) -> None:
    """Pass on at once what goes wrong in tasks, until a condition holds."""
    running = set(tasks)
    while not until():
        done, running = await asyncio.wait(running, timeout=0.1, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


async def _strike(world: World, strikes: Sequence[Strike], readers: Sequence[FaithfulReader]) -> None:
    """Kill services, one strike after the other; a strike that has begun is finished.

    Before each of the host every reader gets an answer: on a busy machine a host could otherwise die again and again
    before it has given any, and nothing would come to its end. For the same reason services live the longer, the
    longer they need to start.
    """
    slowness = 1.0
    for strike in strikes:
        if "training-host" in strike.services:
            await _answer_to_all(readers)
        await asyncio.sleep(strike.after_seconds * slowness)
        start_seconds = await asyncio.shield(asyncio.ensure_future(_strike_once(world, strike)))
        slowness = max(1.0, start_seconds / USUAL_START_SECONDS)


async def _answer_to_all(readers: Sequence[FaithfulReader]) -> None:
    before = [reader.taken for reader in readers]
    await _until(
        lambda: all(each.taken > taken for each, taken in zip(readers, before, strict=True)),
        "each reader has an answer",
    )


async def _strike_once(world: World, strike: Strike) -> float:
    """Kill services and start them again; return how long the start took, in seconds."""
    async with world.turn:
        services = [world.services()[name] for name in strike.services]
        await asyncio.gather(*(each.kill() for each in services))
        world.strikes.update(strike.services)
        await asyncio.sleep(strike.down_seconds)
        if strike.starting_seconds:
            await asyncio.gather(*(each.start(wait=False) for each in services))
            await asyncio.sleep(strike.starting_seconds)
            await asyncio.gather(*(each.kill() for each in services))
            world.strikes.update(strike.services)
        began = time.monotonic()
        await asyncio.gather(*(each.start() for each in services))
        return time.monotonic() - began


async def _until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {LONGEST_SECONDS:.0f} s: {what}"
        await asyncio.sleep(0.02)
