import asyncio
from pathlib import Path

import pytest
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from ktrdr.host.v1.session_pb2 import HOST_KIND_TRAINING

from services.host.allotment import Allotment
from services.host.cancel_ladder import CancelGraces
from services.host.creation import create_session_folder
from services.host.execution import Capacity, Execution
from services.host.folder import SessionFolder
from services.host.host_identity import HostIdentity
from services.host.session import HostedSession
from services.host.task_runner import TaskRunner, TaskSession
from tests.support.accepted_sessions import session_record
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock


async def no_work(_: TaskSession) -> Message:
    raise NotImplementedError


class SlowRunner(TaskRunner):
    """Begins a session only when the test lets it, and cannot take one over."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__("training", no_work, clock=clock)
        self.may_begin = asyncio.Event()
        self.begun: list[str] = []
        self.taken_over = 0

    async def start(self, session: SessionFolder, allotment: Allotment) -> None:  # noqa: ARG002 - nothing is done
        await self.may_begin.wait()
        self.begun.append(session.id)

    async def adopt(self, session: SessionFolder, allotment: Allotment) -> None:  # noqa: ARG002 - nothing is done
        self.taken_over += 1
        raise OSError("no space left")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def test_what_is_being_begun_is_finished_and_nothing_is_begun_meanwhile(tmp_path: Path, clock: FakeClock) -> None:
    runner, identity = SlowRunner(clock), HostIdentity(tmp_path)
    identity.open()
    execution = Execution(
        runner,
        identity=identity,
        clock=clock,
        capacity=Capacity(2, 2),
        graces=CancelGraces(1.0, 1.0),
        changed=lambda: None,
        finished=lambda _: None,
    )
    execution.open()
    records = [session_record(id=name, number=number) for number, name in enumerate("ab")]
    new, adopted = (
        HostedSession(create_session_folder(tmp_path, record, Struct()), record, HOST_KIND_TRAINING)
        for record in records
    )
    adopted.begin(clock.now())
    execution.adopt(adopted)
    execution.enqueue(new)
    await eventually(lambda: clock.sleeping)
    await eventually(new.folder.start_record.exists)
    stopping = asyncio.create_task(execution.stop())
    for _ in range(10):
        await asyncio.sleep(0)
    clock.advance(1.0)  # now it would be tried again to take over the first one
    for _ in range(10):
        await asyncio.sleep(0)
    assert not stopping.done()
    runner.may_begin.set()
    await stopping
    assert (runner.begun, runner.taken_over) == (["a"], 1)
