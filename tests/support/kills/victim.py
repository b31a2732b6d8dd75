"""One session of a run, from its start to what happens to it."""

import asyncio
import contextlib
import json
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ktrdr.host.v1 import host_pb2
from ktrdr.operations.v1 import operations_pb2
from ktrdr.training.v1 import training_pb2
from ktrdr_bridge.alive import start_ticks

from services.host.records import WorkerRecord
from services.operations.identifiers import derived_operation_id
from tests.support.eventually import eventually
from tests.support.kills.schedule import Case
from tests.support.kills.world import World, answered

LOOK_SECONDS: Final = 0.005
LONGEST_SECONDS: Final = 200.0
"""For whatever has to happen by itself, on a busy machine."""


@dataclass
class Victim:
    """A case, and what was done to it.

    Attributes:
        case: What was planned.
        session_id: Its session, once the start was answered; what it would be where nobody waited for the answer.
        operation_id: Its operation.
        started: The start was answered.
        kills: The processes that were told to die: "worker", "keeper".
        cancel_sent: A request to stop was sent.
        cancelled: It was answered.
        withheld: The registry stopped it before the host heard of it.
        over: Nothing more happens to it.
    """

    case: Case
    session_id: str = ""
    operation_id: str = ""
    started: bool = False
    kills: list[str] = field(default_factory=list)
    cancel_sent: bool = False
    cancelled: bool = False
    withheld: bool = False
    over: bool = False


async def begin(world: World, victim: Victim) -> None:
    """Start the session, asking until it is answered."""
    case = victim.case
    spec = training_pb2.TrainingSpec(strategy=case.plan.to_json())
    if case.through == "registry":
        created = operations_pb2.CreateOperationRequest(request_id=case.name, training=spec)
        operation = await answered(lambda: world.registry.CreateOperation(created, timeout=60))
        victim.operation_id, victim.session_id = operation.id, f"{operation.id}-1"
        victim.started = True
        return
    start = training_pb2.StartTrainingRequest(spec=spec)
    if case.through == "id":
        start.session_id = case.name
    else:
        start.request_id = case.name
    if case.fate == "abandoned":
        victim.session_id = case.name
        asking = asyncio.ensure_future(world.trainings.StartTraining(start, timeout=60))
        await asyncio.wait([asking], timeout=case.second_delay_seconds / 10)
        asking.cancel()
        await asyncio.wait([asking])
    else:
        answer = await answered(lambda: world.trainings.StartTraining(start, timeout=60))
        victim.session_id, victim.started = answer.session.id, True
    victim.operation_id = derived_operation_id(world.host_uid, victim.session_id)


async def suffer(world: World, victim: Victim) -> None:
    """Let happen what was planned."""
    case, folder = victim.case, world.folder(victim.session_id)
    match case.fate:
        case "time" | "keeper" | "both" | "host":
            await _until_writing(world, victim)
        case "start":
            await _until(world, victim, folder.worker_record)
    if case.fate not in {"none", "row", "abandoned"}:
        await asyncio.sleep(case.delay_seconds)
    match case.fate:
        case "start" | "time":
            _kill(world, victim, "worker")
        case "keeper":
            _kill(world, victim, "keeper")
        case "both":
            _kill(world, victim, "keeper")
            _kill(world, victim, "worker")
        case "host":
            async with world.turn:
                world.host.signal(signal.SIGKILL)
                _kill(world, victim, "worker")
                await world.host.kill()
                await world.host.start()
            world.strikes["training-host"] += 1
        case "cancel" | "cancel and kill":
            await _cancel(world, victim)


async def _cancel(world: World, victim: Victim) -> None:
    victim.cancel_sent = True
    now = victim.case.plan.seed % 4 == 0
    stop = _stop_in_registry if victim.case.through == "registry" else _stop_on_host
    asking = asyncio.ensure_future(stop(world, victim, now=now))
    if victim.case.fate == "cancel and kill":
        await asyncio.sleep(victim.case.second_delay_seconds)
        _kill(world, victim, "worker")
    await asking
    victim.cancelled = True


async def _stop_in_registry(world: World, victim: Victim, *, now: bool) -> None:
    wish = operations_pb2.CancelOperationRequest(operation_id=victim.operation_id, reason="enough", now=now)
    await answered(lambda: world.registry.CancelOperation(wish, timeout=60))


async def _stop_on_host(world: World, victim: Victim, *, now: bool) -> None:
    request = host_pb2.CancelSessionRequest(session_id=victim.session_id, reason="enough", now=now)
    await answered(lambda: world.sessions.CancelSession(request, timeout=60))


async def _until_writing(world: World, victim: Victim) -> None:
    await _until(world, victim, Path(victim.case.plan.ledger) / "entries")


async def _until(world: World, victim: Victim, path: Path) -> None:
    """Wait until a file is there, or the session has ended without it."""
    settled = world.folder(victim.session_id).settled_record
    await eventually(
        lambda: path.exists() or settled.exists(), timeout_seconds=LONGEST_SECONDS, interval_seconds=LOOK_SECONDS
    )


def _kill(world: World, victim: Victim, who: str) -> None:
    """Kill the worker or the keeper, if it runs and is what the record says."""
    record = WorkerRecord.load(world.folder(victim.session_id).worker_record)
    if record is None:
        return
    pid, ticks = record.keeper_pid, record.keeper_start_ticks
    if who == "worker":
        pid, ticks = record.worker_pid or 0, record.worker_start_ticks
    if pid and start_ticks(pid) == ticks:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            victim.kills.append(who)


def summary(victim: Victim) -> str:
    """Describe a case for a report."""
    case = victim.case
    done = [*victim.kills, *(["cancel"] if victim.cancel_sent else [])]
    plan = json.dumps({"seed": case.plan.seed, "rows": case.plan.rows, "burst": case.plan.burst})
    return f"{case.name} (session {victim.session_id}, {case.fate}, through {case.through}; done: {done}; plan {plan})"
