from google.protobuf.struct_pb2 import Struct
from ktrdr.host.v1.session_pb2 import Session

from tests.support.eventually import eventually
from tests.support.host_service import KIND, ProbeHostSettings, served_host
from tests.support.scripted_work import ScriptedWork, scripted_host
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
