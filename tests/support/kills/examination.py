"""After a run: read everything again in other ways, and hold it against the ledgers."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ktrdr.host.v1 import metrics_pb2
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.operations.v1 import operations_pb2

from services.common.errors import error_info
from tests.support.eventually import eventually
from tests.support.kills.ledger import Ledger
from tests.support.kills.readers import Points, asker, points_of, registry_points
from tests.support.kills.thinned_verdict import problems_of_thinned
from tests.support.kills.verdict import problems_of_lives, problems_of_points, problems_of_state
from tests.support.kills.victim import LONGEST_SECONDS, Victim, summary
from tests.support.kills.world import World, answered
from tests.support.status_reader import StatusReader

State = operations_pb2.Operation.State


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
        states = ", ".join(f"{count} {what}" for what, count in sorted(self.states.items()) if count)
        return f"{self.kills.total()} kills ({kills}); {self.rows} rows delivered, {self.uncertain} at risk; {states}"


@dataclass(frozen=True)
class Readers:
    """Everybody who has read from the host.

    Attributes:
        along: Those who read while everything was killed, with their cursors.
        late: Who read everything at the end, in columns.
        rows: The same, in raw rows.
    """

    along: Sequence[StatusReader]
    late: StatusReader
    rows: StatusReader

    @property
    def all(self) -> tuple[StatusReader, ...]:
        """Return all of them."""
        return (*self.along, self.late, self.rows)


async def examine(world: World, victims: Sequence[Victim], along: Sequence[StatusReader]) -> Report:
    """Read everything again in other ways, and compare."""
    report = Report(kills=Counter(world.strikes))
    late = StatusReader(asker(world), page_points=2_000)
    rows = StatusReader(asker(world), encoding=metrics_pb2.METRIC_ENCODING_ROWS)
    for reader in (late, rows):
        await reader.drain()
    readers = Readers(along, late, rows)
    for victim in victims:
        problems = await _problems(world, victim, readers, report)
        report.problems += [f"{summary(victim)}: {problem}" for problem in problems]
    strangers = late.sessions.keys() - {victim.session_id for victim in victims}
    report.problems += [f"nobody started session {each}" for each in sorted(strangers)]
    report.problems += [f"a reader's position was lost: {reader.resets}" for reader in readers.all if reader.resets]
    return report


async def _problems(world: World, victim: Victim, readers: Readers, report: Report) -> list[str]:
    ledger = Ledger.read(world.ledgers / victim.case.name)
    session = readers.late.sessions.get(victim.session_id)
    problems = list(problems_of_lives(victim, ledger, session))
    report.kills.update(victim.kills)
    report.kills["worker, by itself"] += "killing" in ledger.events
    if session is None:
        if victim.withheld:
            operation = await ended_operation(world, victim)
            problems += [] if operation.state == State.STATE_CANCELLED else [f"the registry says {operation.state}"]
            report.states["CANCELLED before the host heard of it"] += 1
        return problems
    operation = await ended_operation(world, victim)
    problems += problems_of_state(world, victim, ledger, session)
    problems += _problems_of_operation(session, operation)
    for reader in readers.all:
        other = reader.sessions.get(victim.session_id)
        if other is None or other.state != session.state or not other.final:
            problems.append(f"a reader sees {other}")
    views = [
        *((points_of(each, session.id), True) for each in readers.along),
        (await registry_points(world, operation.id), True),
        (points_of(readers.late, session.id), False),
        (points_of(readers.rows, session.id, ordered=False), False),
    ]
    problems += _problems_of_views(victim, ledger, session, views)
    report.states["whose journal was thinned"] += session.thinning.generation > 0
    report.rows += len(views[-1][0])
    report.uncertain += len(ledger.rows) - ledger.written
    report.states[Session.State.Name(session.state).removeprefix("STATE_")] += 1
    return problems


def _problems_of_views(
    victim: Victim, ledger: Ledger, session: Session, views: Sequence[tuple[Points, bool]]
) -> Iterator[str]:
    """Tell what is wrong with the points that readers have; each comes with whether it was read along."""
    thinned = session.thinning.generation > 0
    for points, read_along in views:
        if thinned:
            yield from problems_of_thinned(ledger, points, session.thinning, read_along=read_along)
        else:
            yield from problems_of_points(ledger, victim, points)
    ends = {max(points, default=-1) for points, _ in views}
    # Whoever read along may have more of a thinned journal, but the others have the same.
    same = {tuple(sorted(points)) for points, read_along in views if not (thinned and read_along)}
    if len(ends) > 1 or len(same) > 1:
        yield f"readers got {[len(points) for points, _ in views]} rows up to {sorted(ends)}"


async def ended_operation(world: World, victim: Victim) -> operations_pb2.Operation:
    """Return the operation once it has ended."""
    request = operations_pb2.GetOperationRequest(operation_id=victim.operation_id)

    async def ended() -> operations_pb2.Operation | None:
        operation = await answered(lambda: world.registry.GetOperation(request, timeout=60))
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
