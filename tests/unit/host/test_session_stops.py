import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from ktrdr.host.v1.session_pb2 import HOST_KIND_TRAINING, CancelStage, Session
from ktrdr_bridge import read_control

from services.host.cancel_ladder import CancelGraces
from services.host.creation import create_session_folder
from services.host.folder import SessionFolder
from services.host.records import SettledRecord
from services.host.runner import StopWish
from services.host.session import HostedSession
from services.host.session_stops import SessionStops
from services.host.stop_cause import HOST_STOP
from services.host.task_runner import TaskRunner, TaskSession
from tests.support.accepted_sessions import session_record
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock

SOMEBODYS = StopWish("enough")
HOSTS_OWN = StopWish("the host was stopped", cause=HOST_STOP)


async def no_work(_: TaskSession) -> Message:
    raise NotImplementedError


class HeldRunner(TaskRunner):
    """Writes requests to stop, and interrupts, only when the test lets it."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__("training", no_work, clock=clock)
        self.may_write = asyncio.Event()
        self.writing = 0
        self.most_at_once = 0
        self.interruptions: list[OSError | None] = []

    async def request_stop(self, session: SessionFolder, wish: StopWish) -> None:
        self.writing += 1
        self.most_at_once = max(self.most_at_once, self.writing)
        try:
            await self.may_write.wait()
            await super().request_stop(session, wish)
        finally:
            self.writing -= 1

    async def terminate(self, _: SessionFolder) -> bool:
        if not self.interruptions:
            return False
        error = self.interruptions.pop(0)
        if error is not None:
            raise error
        return True


class Stopping:
    """A session at work, and what asks it to stop."""

    def __init__(self, root: Path) -> None:
        self.clock = FakeClock()
        self.runner = HeldRunner(self.clock)
        record = session_record(create_time=self.clock.now())
        self.session = HostedSession(create_session_folder(root, record, Struct()), record, HOST_KIND_TRAINING)
        self.session.begin(self.clock.now())
        self.stops = SessionStops(self.runner, CancelGraces(600.0, 600.0), self.clock, lambda: None)
        self.stops.begin(self.session)

    async def ask(self, wish: StopWish) -> "asyncio.Task[None]":
        asking = asyncio.create_task(self.stops.ask(self.session, wish, at_work=True))
        await eventually(lambda: self.runner.writing)
        return asking

    @property
    def is_pursued(self) -> bool:
        return any(task.get_name() == f"cancel-{self.session.id}" for task in asyncio.all_tasks())


@pytest.fixture
async def stopping(tmp_path: Path) -> AsyncIterator[Stopping]:
    found = Stopping(tmp_path)
    yield found
    await found.stops.stop()


async def test_a_session_that_ends_while_it_is_asked_is_not_pursued(stopping: Stopping) -> None:
    asking = await stopping.ask(SOMEBODYS)
    message = Session(state=Session.STATE_COMPLETED)
    stopping.session.settle(
        SettledRecord(
            state="STATE_COMPLETED",
            end_time=stopping.clock.now(),
            finish_number=1,
            incarnation="",
            rows=0,
            session=message.SerializeToString(),
        )
    )
    await stopping.stops.end(stopping.session)
    stopping.runner.may_write.set()
    await asking
    assert not stopping.is_pursued
    assert stopping.session.cancel_reason is None
    await stopping.stops.ask(stopping.session, SOMEBODYS, at_work=True)
    assert not stopping.is_pursued, "nor is one that had ended before"


async def test_wishes_are_written_one_after_the_other(stopping: Stopping) -> None:
    asking = [await stopping.ask(SOMEBODYS), await stopping.ask(HOSTS_OWN)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert stopping.runner.most_at_once == 1
    stopping.runner.may_write.set()
    await asyncio.gather(*asking)
    asked = read_control(stopping.session.folder.control)
    assert asked is not None
    assert (asked.stop, asked.reason, asked.cause) == ("cancel", "enough", "")
    assert (stopping.session.cancel_reason, stopping.session.cancel_cause) == ("enough", "")


async def test_a_request_is_pursued_though_its_caller_has_gone(stopping: Stopping) -> None:
    asking = await stopping.ask(SOMEBODYS)
    asking.cancel()
    await asyncio.wait([asking])
    stopping.runner.may_write.set()
    await eventually(lambda: stopping.session.cancel_reason == "enough")
    await eventually(lambda: stopping.is_pursued)


async def test_a_worker_that_cannot_be_signalled_now_is_interrupted_later(stopping: Stopping) -> None:
    stopping.runner.interruptions = [PermissionError("not yours"), None]
    stopping.runner.may_write.set()
    await stopping.stops.ask(stopping.session, StopWish("enough", now=True), at_work=True)
    await eventually(lambda: stopping.clock.sleeping)
    stopping.clock.advance(0.1)

    def stage() -> "CancelStage.ValueType":
        return stopping.session.snapshot().message.cancel_stage

    await eventually(lambda: stage() == CancelStage.CANCEL_STAGE_INTERRUPTED)
    assert not stopping.runner.interruptions
