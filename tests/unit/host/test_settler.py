import asyncio
import signal
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.protobuf.struct_pb2 import Struct
from ktrdr.host.v1.session_pb2 import HOST_KIND_TRAINING, CancelStage, Session
from ktrdr_bridge import request_stop

from services.common.files import write_atomically
from services.host import settler
from services.host.creation import create_session_folder
from services.host.host_identity import HostIdentity
from services.host.records import ExitRecord, SettledRecord
from services.host.session import HostedSession
from services.host.settlement import Settlement
from services.host.settler import Settler
from tests.support.accepted_sessions import session_record
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock

DONE = Settlement(Session.STATE_COMPLETED)


class Settling:
    """A settler, and the sessions that it has settled, in order."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = FakeClock()
        self.settled: list[str] = []
        identity = HostIdentity(root)
        identity.open()
        self.settler = Settler(identity, self.clock, lambda session: self.settled.append(session.id))

    def session(self, session_id: str) -> HostedSession:
        record = session_record(id=session_id, create_time=self.clock.now())
        return HostedSession(create_session_folder(self.root, record, Struct()), record, HOST_KIND_TRAINING)


@pytest.fixture
async def settling(tmp_path: Path) -> AsyncIterator[Settling]:
    found = Settling(tmp_path)
    found.settler.start()
    yield found
    await found.settler.stop()


async def test_sessions_are_settled_in_order_with_rising_numbers(settling: Settling) -> None:
    sessions = [settling.session(name) for name in "abc"]
    await asyncio.gather(*(settling.settler.settle(session, DONE) for session in sessions))
    assert settling.settled == ["a", "b", "c"]
    numbers = [session.settled.finish_number for session in sessions if session.settled is not None]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 3
    stored = SettledRecord.load(sessions[0].folder.settled_record)
    assert stored == sessions[0].settled


async def test_asking_twice_settles_once(settling: Settling) -> None:
    session = settling.session("a")
    await asyncio.gather(settling.settler.settle(session, DONE), settling.settler.settle(session, DONE))
    assert settling.settled == ["a"]


async def test_a_final_state_that_cannot_be_stored_is_not_shown_and_tried_again(settling: Settling) -> None:
    session = settling.session("a")
    away = session.folder.path.rename(session.folder.path.with_name("away"))
    waiting = asyncio.create_task(settling.settler.settle(session, DONE))
    await eventually(lambda: settling.clock.sleeping)
    assert session.state == Session.STATE_QUEUED
    away.rename(session.folder.path)
    settling.clock.advance(1.0)
    await waiting
    assert session.state == Session.STATE_COMPLETED


async def test_somebody_who_no_longer_waits_does_not_stop_the_settling(settling: Settling) -> None:
    session = settling.session("a")
    waiting = asyncio.create_task(settling.settler.settle(session, DONE))
    await asyncio.sleep(0)
    waiting.cancel()
    await eventually(lambda: session.settled)
    assert settling.settled == ["a"]


async def test_a_stop_that_is_durable_counts_before_the_session_was_told_of_it(settling: Settling) -> None:
    session = settling.session("a")
    record = ExitRecord(code=None, signal=signal.SIGKILL, max_rss_bytes=1, ended_at=settling.clock.now())
    session.folder.exit_record.write_bytes(record.to_bytes())
    request_stop(session.folder.control, reason="enough")
    await settling.settler.settle(session)
    message = session.snapshot().message
    assert (message.state, message.cancel_reason) == (Session.STATE_CANCELLED, "enough")
    assert message.cancel_stage == CancelStage.CANCEL_STAGE_ASKED


async def test_a_stop_waits_for_what_is_being_stored(settling: Settling, monkeypatch: pytest.MonkeyPatch) -> None:
    storing, may_store = threading.Event(), threading.Event()

    def write_slowly(path: Path, content: bytes) -> None:
        storing.set()
        may_store.wait()
        write_atomically(path, content)

    monkeypatch.setattr(settler, "write_atomically", write_slowly)
    session = settling.session("a")
    waiting = asyncio.create_task(settling.settler.settle(session, DONE))
    await eventually(storing.is_set)
    stopping = asyncio.create_task(settling.settler.stop())
    try:
        await asyncio.wait([stopping], timeout=0.05)
        assert not stopping.done()
    finally:
        may_store.set()
    await stopping
    assert session.folder.settled_record.exists()
    assert not settling.settled, "the next life of the host shows it"
    waiting.cancel()
    await asyncio.wait([waiting])
