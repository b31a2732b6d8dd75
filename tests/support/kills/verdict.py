"""Hold what readers got against what the worker knows it wrote."""

import struct
from collections.abc import Iterator

from ktrdr.host.v1.session_pb2 import Session
from ktrdr_bridge import read_control

from services.common.errors import error_info
from services.host.records import ExitRecord, ResultRecord
from tests.support.kills.ledger import Ledger
from tests.support.kills.plan import Row
from tests.support.kills.readers import Points
from tests.support.kills.victim import Victim
from tests.support.kills.world import World

_COARSE_SECONDS = 0.01
"""The times of files lag by up to a tick of the kernel."""
_OUTCOMES = {"completed": "STATE_COMPLETED", "cancelled": "STATE_CANCELLED"}


def problems_of_points(ledger: Ledger, victim: Victim, points: Points) -> Iterator[str]:
    """Tell what is lost, doubled, reordered or invented in points that nothing has thinned."""
    count = len(points)
    if sorted(points) != list(range(count)):
        missing = sorted(set(range(max(points) + 1)) - set(points))
        yield f"rows {missing[:5]} are lost before row {max(points)}"
    if count < ledger.written:
        yield f"{ledger.written} rows were certainly written, {count} were delivered"
    if count > len(ledger.rows):
        yield f"{count} rows were delivered, {len(ledger.rows)} were begun"
    plan = victim.case.plan
    if "killing" in ledger.events and count != plan.kill_at + (not plan.kill_before):
        yield f"the worker ended itself at row {plan.kill_at} (before: {plan.kill_before}), {count} rows were delivered"
    for seq, row in points.items():
        if seq < len(ledger.rows) and not same(ledger.rows[seq], row):
            yield f"row {seq} is {row}, and was written as {ledger.rows[seq]}"
            return


def same(row: Row, delivered: dict[str, tuple[int, float]]) -> bool:
    """Tell whether a row is as it was written, bit for bit."""
    return delivered.keys() == row.metrics.keys() and all(
        step == row.step and struct.pack("<d", value) == struct.pack("<d", row.metrics[name])
        for name, (step, value) in delivered.items()
    )


def problems_of_state(world: World, victim: Victim, ledger: Ledger, session: Session) -> Iterator[str]:
    """Tell whether a session's end is one that the evidence allows."""
    state = Session.State.Name(session.state)
    info = error_info(session.error) if session.HasField("error") else None
    reason = info.reason if info is not None else ""
    allowed = set(_allowed(world, victim, ledger))
    if (state, reason) not in allowed:
        yield f"it is {state} {reason}, and may be {sorted(allowed)}; {session.error.message}"
    if reason == "WORKER_KILLED" and info is not None and info.metadata["signal"] != "SIGKILL":
        yield f"it was killed by SIGKILL, and not by {info.metadata['signal']}"
    if session.state == Session.STATE_COMPLETED and not session.HasField("result"):
        yield "it completed without a result"
    if session.journal_damage or session.recording_stopped:
        yield f"journal: {session.journal_damage}, recording stopped: {session.recording_stopped}"


def _allowed(world: World, victim: Victim, ledger: Ledger) -> Iterator[tuple[str, str]]:
    """Yield each pair of state and reason that may be."""
    result = ResultRecord.load(world.folder(victim.session_id).result_record)
    if result is not None:
        # The worker's own word wins, whatever happened to it afterwards.
        reason = "CANCELLED" if result.outcome == "cancelled" else ""
        yield _OUTCOMES[result.outcome], reason
        return
    if victim.cancel_sent:
        yield "STATE_CANCELLED", "CANCELLED"
    killed = "worker" in victim.kills or "killing" in ledger.events
    if killed and not _asked_before_its_end(world, victim):
        yield "STATE_FAILED", "WORKER_LOST" if "keeper" in victim.kills else "WORKER_KILLED"
        ended = ExitRecord.load(world.folder(victim.session_id).exit_record)
        if ended is not None and ended.oom_kills:
            # The kernel has ended some process of this machine meanwhile, and nobody knows that it was not this one.
            yield "STATE_FAILED", "WORKER_OUT_OF_MEMORY"


def _asked_before_its_end(world: World, victim: Victim) -> bool:
    """Tell whether a request to stop was durable when the worker died: then it was stopped, whoever was quicker."""
    folder = world.folder(victim.session_id)
    ended = ExitRecord.load(folder.exit_record)
    if ended is None or read_control(folder.control) is None:
        return False
    return folder.control.stat().st_mtime + _COARSE_SECONDS < ended.ended_at.timestamp()


def problems_of_lives(victim: Victim, ledger: Ledger, session: Session | None) -> Iterator[str]:
    """Tell whether the work was done once, where it was to be done at all."""
    if ledger.lives > 1:
        yield f"{ledger.lives} workers have worked on it"
    if session is None and victim.started and not victim.withheld:
        yield "its start was answered, and nothing is known of it"
    if session is None and ledger.lives:
        yield "nothing is known of it, and a worker has worked on it"
    if victim.started and not ledger.lives and not victim.cancel_sent and "worker" not in victim.kills:
        yield "its worker never ran"
    if session is not None and session.state == Session.STATE_COMPLETED and "ending" not in ledger.events:
        yield "it completed, and its worker has not"
    if "ended" in ledger.events and session is not None and session.state == Session.STATE_FAILED:
        yield "its worker came to its end, and it failed"
