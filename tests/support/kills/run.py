"""A run: sessions begin, suffer and end while services are killed; then everything is held against the ledgers."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ktrdr.host.v1 import metrics_pb2
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.operations.v1 import operations_pb2

from services.common.errors import error_info
from tests.support.eventually import eventually
from tests.support.kills.ledger import Ledger
from tests.support.kills.readers import FaithfulReader, Points, asker, points_of, registry_points
from tests.support.kills.schedule import Case, Strike
from tests.support.kills.verdict import problems_of_lives, problems_of_points, problems_of_state
from tests.support.kills.victim import Victim, begin, suffer, summary
from tests.support.kills.world import World, answered
from tests.support.status_reader import StatusReader

State = operations_pb2.Operation.State
LONGEST_SECONDS = 90.0
"""For whatever has to happen by itself, on a busy machine."""


@dataclass
class Report:
    """What a run found.

    Attributes:
        problems: What is wrong; empty when all is well.
        kills: How many of what.
        rows: Rows that were delivered.
        uncertain: Rows of killed workers that were begun and that nobody could be sure of: the kills fell among them.
        states: How many sessions ended how.
    """

    problems: list[str] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    uncertain: int = 0
    states: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        """Sum it up on a line."""
        kills = ", ".join(f"{count} of {what}" for what, count in sorted(self.kills.items()))
        states = ", ".join(f"{count} {what}" for what, count in sorted(self.states.items()))
        return f"{self.kills.total()} kills ({kills}); {self.rows} rows delivered, {self.uncertain} at risk; {states}"


async def run(world: World, cases: Sequence[Case], strikes: Sequence[Strike], *, seed: int, parallel: int) -> Report:
    """Run cases, a few at a time, while services are killed; return when all has ended and been looked at."""
    reader = FaithfulReader(world, seed)
    victims = [Victim(case) for case in cases]
    following = asyncio.create_task(reader.follow())
    striking = asyncio.create_task(_strike(world, strikes))
    try:
        places = asyncio.Semaphore(parallel)
        async with asyncio.TaskGroup() as group:
            for victim in victims:
                group.create_task(_live(world, victim, reader, places))
            group.create_task(_never_ends_alone(following, until=lambda: all(each.over for each in victims)))
        striking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await striking
        await _until(lambda: all(session.id in reader.finals for session in reader.sessions.values()), "all are final")
    finally:
        for task in (following, striking):
            task.cancel()
        await asyncio.gather(following, striking, return_exceptions=True)
    return await examine(world, victims, reader)


async def _live(world: World, victim: Victim, reader: StatusReader, places: asyncio.Semaphore) -> None:
    async with places:
        await begin(world, victim)
        await suffer(world, victim)
        if victim.cancelled and victim.case.through == "registry":
            # It may have been stopped before the host heard of it; then the host never does.
            await _operation(world, victim)
            victim.withheld = not world.folder(victim.session_id).path.exists()
        if victim.started and not victim.withheld:
            await _until(lambda: victim.session_id in reader.finals, f"{summary(victim)} is final")
        victim.over = True


async def _never_ends_alone(task: "asyncio.Task[None]", *, until: Callable[[], bool]) -> None:
    """Pass on what goes wrong in a task that is to run until a condition holds."""
    while not until():
        done, _ = await asyncio.wait([task], timeout=0.1)
        if done:
            task.result()


async def _strike(world: World, strikes: Sequence[Strike]) -> None:
    """Kill services, one strike after the other; a strike that has begun is finished."""
    for strike in strikes:
        await asyncio.sleep(strike.after_seconds)
        await asyncio.shield(asyncio.ensure_future(_strike_once(world, strike)))


async def _strike_once(world: World, strike: Strike) -> None:
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
        await asyncio.gather(*(each.start() for each in services))


async def _until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {LONGEST_SECONDS:.0f} s: {what}"
        await asyncio.sleep(0.02)


async def examine(world: World, victims: Sequence[Victim], faithful: FaithfulReader) -> Report:
    """Read everything again in other ways, and compare."""
    report = Report(kills=Counter(world.strikes))
    late = StatusReader(asker(world), page_points=2_000)
    rows = StatusReader(asker(world), encoding=metrics_pb2.METRIC_ENCODING_ROWS)
    for reader in (late, rows):
        await reader.drain()
    for victim in victims:
        problems = await _problems(world, victim, (faithful, late, rows), report)
        report.problems += [f"{summary(victim)}: {problem}" for problem in problems]
    strangers = faithful.sessions.keys() - {victim.session_id for victim in victims}
    report.problems += [f"nobody started session {each}" for each in sorted(strangers)]
    if faithful.resets:
        report.problems.append(f"positions were lost: {faithful.resets}")
    return report


async def _problems(
    world: World, victim: Victim, readers: tuple[StatusReader, StatusReader, StatusReader], report: Report
) -> list[str]:
    ledger = Ledger.read(world.ledgers / victim.case.name)
    session = readers[0].sessions.get(victim.session_id)
    problems = list(problems_of_lives(victim, ledger, session))
    report.kills.update(victim.kills)
    report.kills["worker, by itself"] += "killing" in ledger.events
    if session is None:
        if victim.withheld:
            operation = await _operation(world, victim)
            problems += [] if operation.state == State.STATE_CANCELLED else [f"the registry says {operation.state}"]
            report.states["CANCELLED before the host heard of it"] += 1
        return problems
    problems += problems_of_state(world, victim, ledger, session)
    views: list[Points] = []
    for reader in readers:
        views.append(points_of(reader, victim.session_id, ordered=reader is not readers[2]))
        problems += problems_of_points(ledger, victim, views[-1])
        seen = reader.sessions.get(victim.session_id)
        if seen is None or seen.state != session.state or not seen.final:
            problems.append(f"another reader sees {seen}")
    operation = await _operation(world, victim)
    views.append(await registry_points(world, operation.id))
    problems += problems_of_points(ledger, victim, views[-1])
    problems += _problems_of_operation(session, operation)
    if any(repr(sorted(view)) != repr(sorted(views[0])) for view in views):
        problems.append(f"readers got {[len(view) for view in views]} rows")
    report.rows += len(views[0])
    report.uncertain += len(ledger.rows) - ledger.written
    report.states[Session.State.Name(session.state).removeprefix("STATE_")] += 1
    return problems


async def _operation(world: World, victim: Victim) -> operations_pb2.Operation:
    """Return the operation once it has ended."""
    request = operations_pb2.GetOperationRequest(operation_id=victim.operation_id)

    async def ended() -> operations_pb2.Operation | None:
        operation = await answered(lambda: world.registry.GetOperation(request, timeout=10))
        return operation if operation.HasField("end_time") else None

    operation = await eventually(ended, timeout_seconds=LONGEST_SECONDS)
    assert operation is not None
    return operation


def _problems_of_operation(session: Session, operation: operations_pb2.Operation) -> list[str]:
    states = Session.State.Name(session.state), operations_pb2.Operation.State.Name(operation.state)
    reasons = [getattr(error_info(each.error), "reason", "") for each in (session, operation)]
    problems = []
    if states[0] != states[1] or reasons[0] != reasons[1]:
        problems.append(f"the host says {states[0]} {reasons[0]}, the registry {states[1]} {reasons[1]}")
    if operation.attempt != 1 or operation.session_id != session.id:
        problems.append(f"the registry has attempt {operation.attempt} with session {operation.session_id}")
    return problems
