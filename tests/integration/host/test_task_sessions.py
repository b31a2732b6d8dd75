import errno
import resource
import shutil
import struct
from pathlib import Path

import psutil
from google.protobuf.struct_pb2 import Struct
from ktrdr.host.v1.session_pb2 import Session

from services.common.errors import error_info
from tests.support.eventually import eventually
from tests.support.host_service import KIND, ProbeHostSettings, served_host
from tests.support.scripted_work import ScriptedHost, ScriptedWork, scripted_host
from tests.support.status_reader import stub_reader


async def test_a_task_goes_on_in_the_same_session_and_journal_after_a_restart(settings: ProbeHostSettings) -> None:
    async with scripted_host(settings) as served:
        await served.start("a", epochs=3)
        reader = stub_reader(served.stub)
        await reader.drain()
        incarnation = reader.sessions["a"].incarnation
    assert not (settings.folder / "sessions" / "a" / "result.json").exists()
    async with scripted_host(settings) as served:
        await served.work.write_epochs("a", 4, 5)
        later = stub_reader(served.stub)
        later.cursor, later.sessions, later.points = reader.cursor, reader.sessions, reader.points
        await served.complete("a")
        session = await later.until_final("a")
    assert session.state == Session.STATE_COMPLETED
    assert session.incarnation == incarnation
    assert later.values("a", "train_loss") == [1.0 / epoch for epoch in range(1, 6)]
    assert not later.resets


async def test_a_task_that_does_not_look_at_its_bridge_is_cancelled(settings: ProbeHostSettings) -> None:
    async with scripted_host(settings) as served:
        await served.start("a")
        served.work.stubborn.add("a")
        (await served.work.working("a")).partial_result(Struct())
        await served.host.sessions.cancel("a", reason="enough")
        await eventually(lambda: served.host.sessions.get("a").state == Session.STATE_CANCELLED)
        session = served.host.sessions.get("a")
    assert session.HasField("result")
    assert "enough" in session.error.message


async def test_tasks_that_stop_with_their_host_say_so(settings: ProbeHostSettings) -> None:
    stopping = settings.model_copy(update={"on_stop": "checkpoint"})
    async with scripted_host(stopping) as served:
        await served.start("a")
    async with scripted_host(settings) as served:
        session = served.host.sessions.get("a")
    info = error_info(session.error)
    assert info is not None
    assert (session.state, info.reason) == (Session.STATE_CANCELLED, "HOST_STOPPED")


async def test_a_task_that_finds_the_disk_full_says_so(settings: ProbeHostSettings) -> None:
    async with scripted_host(settings) as served:
        await served.start("a")
        served.work.fail("a", OSError(errno.ENOSPC, "No space left on device", "/data/bars/AAPL.parquet"))
        await eventually(lambda: served.host.sessions.get("a").state == Session.STATE_FAILED)
        session = served.host.sessions.get("a")
    info = error_info(session.error)
    assert info is not None
    assert (info.reason, info.metadata["path"]) == ("STORAGE_FULL", "/data/bars")


async def test_a_task_whose_journal_was_replaced_is_read_again_from_its_start(settings: ProbeHostSettings) -> None:
    async with scripted_host(settings) as served:
        await served.start("a", epochs=4)
        await served.start("b", epochs=4)
        reader = stub_reader(served.stub)
        await reader.drain()
    (settings.folder / "sessions" / "a" / "journal").write_bytes(b"no journal at all")
    work = ScriptedWork()
    async with served_host(settings, work.runner()) as (_, stub):
        await work.write_epochs("a", 1, 2)
        later = stub_reader(stub)
        later.cursor, later.sessions, later.points = reader.cursor, reader.sessions, reader.points
        await later.drain()
    assert later.resets == ["a"]
    assert len(later.values("a", "train_loss")) == 2
    assert len(later.values("b", "train_loss")) == 4


async def test_finished_sessions_are_told_without_their_files(settings: ProbeHostSettings) -> None:
    async with scripted_host(settings) as served:
        for number in range(3):
            await served.host.sessions.start(kind=KIND, spec=Struct(), session_id=f"s{number}")
            await served.work.working(f"s{number}")
            await served.complete(f"s{number}")
        reader = stub_reader(served.stub)
        await reader.drain()
        for path in (settings.folder / "sessions").glob("*/settled.json"):
            path.unlink()
        again = stub_reader(served.stub)
        await again.drain()
        assert again.sessions == reader.sessions
        assert len(again.finals) == 3


async def finished(served: ScriptedHost, settings: ProbeHostSettings, *, epochs: int) -> Path:
    """Let a session write and end, and return its journal."""
    await served.start("a", epochs=epochs)
    await served.complete("a")
    return settings.folder / "sessions" / "a" / "journal"


async def test_a_damaged_row_is_told_and_the_others_are_delivered(settings: ProbeHostSettings) -> None:
    async with scripted_host(settings) as served:
        journal = await finished(served, settings, epochs=20)
        content = bytearray(journal.read_bytes())
        place = content.index(struct.pack("<d", 1.0 / 7))
        content[place] ^= 0xFF
        journal.write_bytes(content)
        reader = stub_reader(served.stub)
        session = await reader.until_final("a")
    assert session.state == Session.STATE_COMPLETED
    assert session.journal_damage
    assert 1.0 / 6 in reader.values("a", "train_loss")
    assert 1.0 / 7 not in reader.values("a", "train_loss")


async def test_a_journal_that_is_gone_keeps_no_session_open(settings: ProbeHostSettings) -> None:
    async with scripted_host(settings) as served:
        journal = await finished(served, settings, epochs=20)
        reader = stub_reader(served.stub, page_points=10)
        await reader.read()
        journal.unlink()
        session = await reader.until_final("a")
        assert "gone" in session.journal_damage
        assert not reader.resets, "what was read before stays true"
        assert len(reader.values("a", "train_loss")) == 5
        assert not (await reader.read()).sessions


async def test_a_session_whose_folder_was_removed_is_told_to_those_who_knew_it(settings: ProbeHostSettings) -> None:
    async with scripted_host(settings) as served:
        await served.start("a", epochs=1)
        await served.start("b", epochs=1)
        reader = stub_reader(served.stub)
        await reader.drain()
    shutil.rmtree(settings.folder / "sessions" / "a")
    async with scripted_host(settings) as served:
        later = stub_reader(served.stub)
        later.cursor = reader.cursor
        answer = await later.read()
        assert list(answer.removed_sessions) == ["a"]
        assert not (await later.read()).removed_sessions


async def test_more_journals_than_descriptors_are_read(settings: ProbeHostSettings) -> None:
    async with scripted_host(settings) as served:
        for number in range(40):
            session_id = f"s{number:02}"
            await served.start(session_id, epochs=1)
            await served.complete(session_id)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (psutil.Process().num_fds() + 15, hard))
        try:
            reader = stub_reader(served.stub)
            await reader.drain()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(reader.finals) == 40
    assert all(len(reader.values(session_id, "train_loss")) == 1 for session_id in reader.sessions)
