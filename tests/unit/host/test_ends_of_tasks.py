import asyncio
import threading
from pathlib import Path

import pytest
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from ktrdr_bridge import Bridge

from services.host import task_runner
from services.host.allotment import Allotment
from services.host.creation import create_session_folder
from services.host.folder import SessionFolder
from services.host.outcome import write_completed
from services.host.records import ResultRecord
from services.host.runner import Liveness, WorkerView
from services.host.task_runner import TaskRunner, TaskSession
from tests.support.accepted_sessions import session_record
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock


@pytest.fixture
def session(tmp_path: Path) -> SessionFolder:
    return create_session_folder(tmp_path, session_record(), Struct())


async def done_at_once(_: TaskSession) -> Message:
    return Struct()


async def views(runner: TaskRunner, session: SessionFolder) -> list[WorkerView]:
    return [view async for view in runner.watch(session)]


async def test_a_result_that_is_being_written_is_waited_for_however_often_the_task_is_cancelled(
    session: SessionFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, may_write = threading.Event(), threading.Event()

    def write_slowly(folder: SessionFolder, result: Message) -> None:
        writing.set()
        may_write.wait()
        write_completed(folder, result)

    monkeypatch.setattr(task_runner, "write_completed", write_slowly)
    runner = TaskRunner("training", done_at_once, clock=FakeClock())
    await runner.start(session, Allotment())
    watching = asyncio.create_task(views(runner, session))
    await eventually(writing.is_set)
    try:
        for kill in (runner.terminate, runner.kill, runner.kill):
            assert await kill(session)
            for _ in range(10):
                await asyncio.sleep(0)
        assert not watching.done()
    finally:
        may_write.set()
    assert (await watching)[-1] == WorkerView(Liveness.ENDED)
    record = ResultRecord.read(session.result_record)
    assert record is not None
    assert record.outcome == "completed"


async def test_a_task_that_is_cancelled_before_its_first_step_lets_go_of_its_journal(session: SessionFolder) -> None:
    runner = TaskRunner("training", done_at_once, clock=FakeClock())
    await runner.start(session, Allotment())
    assert await runner.terminate(session)
    assert (await views(runner, session))[-1] == WorkerView(Liveness.ENDED)
    assert not session.result_record.exists(), "it came to nothing"
    Bridge.resume(session.journal).close()
