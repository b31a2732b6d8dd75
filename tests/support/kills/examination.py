"""After a run: read everything again in other ways, and hold it against the ledgers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ktrdr.host.v1 import metrics_pb2
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.operations.v1 import operations_pb2

from services.common.errors import error_info
from tests.support.eventually import eventually
from tests.support.kills.ledger import Ledger
from tests.support.kills.readers import FaithfulReader, Points, asker, points_of, registry_points
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
        states = ", ".join(f"{count} {what}" for what, count in sorted(self.states.items()))
        return f"{self.kills.total()} kills ({kills}); {self.rows} rows delivered, {self.uncertain} at risk; {states}"


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
            operation = await ended_operation(world, victim)
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
    operation = await ended_operation(world, victim)
    views.append(await registry_points(world, operation.id))
    problems += problems_of_points(ledger, victim, views[-1])
    problems += _problems_of_operation(session, operation)
    if any(repr(sorted(view)) != repr(sorted(views[0])) for view in views):
        problems.append(f"readers got {[len(view) for view in views]} rows")
    report.rows += len(views[0])
    report.uncertain += len(ledger.rows) - ledger.written
    report.states[Session.State.Name(session.state).removeprefix("STATE_")] += 1
    return problems


async def ended_operation(world: World, victim: Victim) -> operations_pb2.Operation:
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
