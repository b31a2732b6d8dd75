import asyncio
import errno
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from google.rpc import error_details_pb2
from ktrdr.host.v1 import host_pb2, host_pb2_grpc
from ktrdr.host.v1.session_pb2 import CANCEL_STAGE_ASKED, HOST_KIND_TRAINING, Session

from services.common.files import write_atomically
from services.host.host import Host
from tests.support.eventually import eventually
from tests.support.host_service import KIND, ProbeHostSettings, served_host
from tests.support.opened_session import OpenedSession
from tests.support.session_worker import worker_spec
from tests.support.status_reader import StatusReader, stub_reader

Served = tuple[Host, "host_pb2_grpc.HostServiceAsyncStub"]
LOSSES = [1.0, 0.5, 1 / 3, 0.25]


@pytest.fixture
async def served(settings: ProbeHostSettings) -> AsyncIterator[Served]:
    """A host behind a server."""
    async with served_host(settings) as served:
        yield served


async def opened(settings: ProbeHostSettings, arguments: str | None = None) -> OpenedSession:
    """Return a process with an open session."""
    return await asyncio.to_thread(OpenedSession, settings.home, *([] if arguments is None else [arguments]))


async def appears(reader: StatusReader, session_id: str = "mine") -> Session:
    """Read on until the session is there."""
    await reader.until(lambda each: session_id in each.sessions)
    return reader.sessions[session_id]


def error_info(session: Session) -> error_details_pb2.ErrorInfo:
    """Return why a session ended."""
    info = error_details_pb2.ErrorInfo()
    assert session.error.details[0].Unpack(info)
    return info


async def test_a_session_of_another_process_is_served_like_any_other(
    settings: ProbeHostSettings, served: Served
) -> None:
    host, stub = served
    reader = stub_reader(stub)
    await reader.drain()
    waiting = asyncio.create_task(reader.read(wait_seconds=60))
    with await opened(settings) as loop:
        assert [session.id for session in (await waiting).sessions] == ["mine"]  # the long-poll was answered
        loop.epochs(1, 2)
        await reader.until(lambda each: len(each.values("mine", "train_loss")) == 2)
        session = reader.sessions["mine"]
        assert (session.kind, session.state) == (HOST_KIND_TRAINING, Session.STATE_RUNNING)
        assert (session.display_name, session.attached) == ("my run", True)
        assert (session.worker_pid, session.worker_liveness) == (loop.process.pid, Session.WORKER_LIVENESS_ALIVE)
        assert (session.progress.phase, session.progress.fraction) == ("train", 0.5)
        described = await stub.GetHost(host_pb2.GetHostRequest(), timeout=60)
        assert (described.attached_sessions, described.running_sessions) == (1, 0)
        loop.epochs(3, 4)
        loop.do("bridge.close()")  # the process lives on, as a notebook's does
        session = await reader.until_final("mine")
    assert session.state == Session.STATE_COMPLETED
    assert reader.values("mine", "train_loss") == LOSSES
    assert host.describe().attached_sessions == 0
    listed = await stub.ListSessions(host_pb2.ListSessionsRequest(), timeout=60)
    assert [each.id for each in listed.sessions] == ["mine"]


async def test_it_takes_no_slot(settings: ProbeHostSettings, served: Served) -> None:
    host, stub = served
    reader = stub_reader(stub)
    with await opened(settings, "'a', session_id='a'"), await opened(settings, "'b', session_id='b'"):
        await appears(reader, "a")
        await appears(reader, "b")
        await host.sessions.start(kind=KIND, spec=worker_spec(epochs=1), session_id="own")
        assert (await reader.until_final("own")).state == Session.STATE_COMPLETED


async def test_labels_and_two_sessions_of_one_process(settings: ProbeHostSettings, served: Served) -> None:
    reader = stub_reader(served[1])
    with await opened(settings, "'one', session_id='one', labels={'seed': 7}") as loop:
        loop.do("second = ktrdr_bridge.open_session('two', session_id='two', total_epochs=1)")
        await appears(reader, "one")
        await appears(reader, "two")
        loop.do("second.on_epoch(1, {'loss': 0.5}); second.close()")
        assert (await reader.until_final("two")).state == Session.STATE_COMPLETED
        assert reader.sessions["one"].state == Session.STATE_RUNNING
        assert dict(reader.sessions["one"].labels) == {"seed": "7"}


async def test_a_killed_process_is_told_apart(settings: ProbeHostSettings, served: Served) -> None:
    reader = stub_reader(served[1])
    with await opened(settings) as loop:
        loop.epochs(1, 2)
        await appears(reader)
        loop.kill()
        session = await reader.until_final("mine")
    assert session.state == Session.STATE_FAILED
    info = error_info(session)
    assert (info.reason, info.metadata["pid"]) == ("ATTACHED_PROCESS_ENDED", str(loop.process.pid))
    assert reader.values("mine", "train_loss") == LOSSES[:2]


async def test_an_exception_is_told_with_its_text(settings: ProbeHostSettings, served: Served) -> None:
    reader = stub_reader(served[1])
    with await opened(settings) as loop:
        await appears(reader)
        loop.process.stdin.write("raise ValueError('no bars for AAPL')\n")  # type: ignore[union-attr]  # it is a pipe
        assert "no bars for AAPL" in loop.end()
        session = await reader.until_final("mine")
    assert session.state == Session.STATE_FAILED
    info = error_info(session)
    assert (info.reason, info.metadata["exception"]) == ("ATTACHED_WORK_FAILED", "ValueError: no bars for AAPL")


async def test_ctrl_c_is_a_cancellation(settings: ProbeHostSettings, served: Served) -> None:
    reader = stub_reader(served[1])
    with await opened(settings) as loop:
        await appears(reader)
        assert "KeyboardInterrupt" in loop.interrupt()
        session = await reader.until_final("mine")
    assert session.state == Session.STATE_CANCELLED


async def test_the_end_of_the_script_completes_it(settings: ProbeHostSettings, served: Served) -> None:
    reader = stub_reader(served[1])
    with await opened(settings) as loop:
        await appears(reader)
        assert loop.end() == ""
        session = await reader.until_final("mine")
    assert session.state == Session.STATE_COMPLETED


async def cancel(stub: "host_pb2_grpc.HostServiceAsyncStub", *, now: bool = False) -> Session:
    """Ask the session to stop."""
    request = host_pb2.CancelSessionRequest(session_id="mine", reason="enough", now=now)
    return (await stub.CancelSession(request, timeout=60)).session


async def test_a_cancel_asks_and_never_signals(settings: ProbeHostSettings, served: Served) -> None:
    _, stub = served
    reader = stub_reader(stub)
    with await opened(settings) as loop:
        loop.do("import signal; signal.signal(signal.SIGTERM, lambda *_: print('signalled', flush=True))")
        await appears(reader)
        assert loop.do("bridge.cancelled") == "False"
        for _ in range(2):
            session = await cancel(stub, now=True)
            assert (session.state, session.cancel_stage) == (Session.STATE_CANCELLING, CANCEL_STAGE_ASKED)
            assert not session.HasField("cancel_grace_left")
        await asyncio.sleep(3 * (settings.cancel_grace_seconds + settings.terminate_grace_seconds))
        loop.epochs(1, 1)  # it goes on for as long as it wants to
        assert loop.do("bridge.cancelled") == "True"
        loop.do("bridge.close()")
        session = await reader.until_final("mine")
        assert (await cancel(stub)).state == Session.STATE_CANCELLED  # to ask again changes nothing
    assert (session.state, session.cancel_reason) == (Session.STATE_CANCELLED, "enough")
    assert reader.values("mine", "train_loss") == LOSSES[:1]


async def test_a_loop_that_never_looks_completes(settings: ProbeHostSettings, served: Served) -> None:
    _, stub = served
    reader = stub_reader(stub)
    with await opened(settings) as loop:
        await appears(reader)
        await cancel(stub)
        loop.epochs(1, 4)
        loop.do("bridge.close()")
        session = await reader.until_final("mine")
    assert session.state == Session.STATE_COMPLETED


async def test_a_killed_process_that_was_asked_to_stop(settings: ProbeHostSettings, served: Served) -> None:
    _, stub = served
    reader = stub_reader(stub)
    with await opened(settings) as loop:
        await appears(reader)
        await cancel(stub)
        loop.kill()
        session = await reader.until_final("mine")
    assert (session.state, error_info(session).reason) == (Session.STATE_FAILED, "ATTACHED_PROCESS_ENDED")
    assert "asked to stop" in session.error.message


async def test_raise_on_cancel_raises_from_the_next_report_which_is_recorded(
    settings: ProbeHostSettings, served: Served
) -> None:
    _, stub = served
    reader = stub_reader(stub)
    with await opened(settings, "'mine', session_id='mine', raise_on_cancel=True") as loop:
        loop.epochs(1, 2)
        await appears(reader)
        await cancel(stub)
        loop.process.stdin.write("bridge.on_epoch(3, {'train_loss': 0.25})\n")  # type: ignore[union-attr]  # a pipe
        assert "ktrdr_bridge.errors.Cancelled: enough" in loop.end()
        session = await reader.until_final("mine")
    assert session.state == Session.STATE_CANCELLED
    assert reader.values("mine", "train_loss") == [1.0, 0.5, 0.25]


async def test_a_host_restarted_in_the_middle_goes_on(settings: ProbeHostSettings) -> None:
    async with served_host(settings) as (_, stub):
        reader = stub_reader(stub)
        loop = await opened(settings)
        loop.epochs(1, 1)
        await reader.until(lambda each: len(each.values("mine", "train_loss")) == 1)
        first = await cancel(stub)
    with loop:
        loop.epochs(2, 3)
        async with served_host(settings) as (host, stub):
            later = stub_reader(stub)
            later.cursor, later.sessions, later.points = reader.cursor, reader.sessions, reader.points
            assert host.describe().attached_sessions == 1
            await later.until(lambda each: len(each.values("mine", "train_loss")) == 3)
            session = later.sessions["mine"]
            assert (session.state, session.cancel_reason) == (Session.STATE_CANCELLING, "enough")
            assert session.create_time == first.create_time
            loop.epochs(4, 4)
            loop.do("bridge.close()")
            session = await later.until_final("mine")
        assert session.state == Session.STATE_COMPLETED  # it never looked
        assert later.values("mine", "train_loss") == LOSSES
        assert not later.resets
    async with served_host(settings) as (host, stub):
        again = host.sessions.get("mine")
        assert (again.state, again.end_time, again.progress) == (session.state, session.end_time, session.progress)


async def test_what_ended_while_no_host_ran_is_found_later(settings: ProbeHostSettings) -> None:
    with await opened(settings) as loop:
        loop.epochs(1, 4)
        loop.end()
    closed_by = datetime.now(UTC)
    with await opened(settings, "'other', session_id='other'") as loop:
        loop.epochs(1, 1)
        loop.kill()
    await asyncio.sleep(0.1)
    async with served_host(settings) as (_, stub):
        reader = stub_reader(stub)
        killed = await reader.until_final("mine", "other")
        session = reader.sessions["mine"]
    assert session.state == Session.STATE_COMPLETED
    assert session.end_time.ToDatetime(tzinfo=UTC) <= closed_by
    assert reader.values("mine", "train_loss") == LOSSES
    assert (killed.state, error_info(killed).reason) == (Session.STATE_FAILED, "ATTACHED_PROCESS_ENDED")
    assert killed.end_time == killed.update_time
    assert (datetime.now(UTC) - killed.end_time.ToDatetime(tzinfo=UTC)).total_seconds() > 0.1


async def test_a_session_that_ends_between_two_lives_of_the_host(settings: ProbeHostSettings) -> None:
    async with served_host(settings) as (_, stub):
        reader = stub_reader(stub)
        loop = await opened(settings)
        await appears(reader)
    loop.epochs(1, 2)
    loop.process.send_signal(signal.SIGKILL)
    loop.end()
    async with served_host(settings) as (_, stub):
        later = stub_reader(stub)
        later.cursor, later.sessions, later.points = reader.cursor, reader.sessions, reader.points
        session = await later.until_final("mine")
    assert (session.state, error_info(session).reason) == (Session.STATE_FAILED, "ATTACHED_PROCESS_ENDED")
    assert later.values("mine", "train_loss") == LOSSES[:2]


async def test_a_process_that_cannot_be_judged_is_stale(settings: ProbeHostSettings, served: Served) -> None:
    reader = stub_reader(served[1])
    with await opened(settings) as loop:
        await appears(reader)
        (settings.home / "local" / "training" / "mine" / "alive.lock").unlink()
        loop.kill()
        await reader.until(lambda each: each.sessions["mine"].worker_liveness == Session.WORKER_LIVENESS_STALE)
    assert reader.sessions["mine"].state == Session.STATE_RUNNING


async def test_a_second_host_on_the_same_home_serves_none(
    settings: ProbeHostSettings, served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = stub_reader(served[1])

    class Second(ProbeHostSettings):
        service = "second_host"

    async with served_host(Second(home=settings.home)) as (second, stub):
        with await opened(settings):
            await appears(reader)
            await stub_reader(stub).drain()
            assert second.describe().attached_sessions == 0
    assert "attached_sessions_not_served" in capsys.readouterr().out


async def test_a_host_without_the_folder_serves_what_it_has(
    settings: ProbeHostSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    (settings.home / "local").symlink_to("/proc/nowhere")  # where nobody can make anything
    async with served_host(settings) as (host, stub):
        await host.sessions.start(kind=KIND, spec=worker_spec(epochs=1), session_id="own")
        await stub_reader(stub).until_final("own")
    assert "attached_sessions_not_served" in capsys.readouterr().out


async def test_what_could_not_be_written_down_is_taken_in_later(
    settings: ProbeHostSettings, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = stub_reader(served[1])
    failures = [OSError(errno.ENOSPC, "No space left on device")]

    def write(path: Path, content: bytes) -> None:
        if failures:
            raise failures.pop()
        write_atomically(path, content)

    monkeypatch.setattr("services.host.attached.scan.write_atomically", write)
    with await opened(settings):
        await appears(reader)
    assert not failures


async def test_a_removed_session_leaves_its_id_to_the_past(settings: ProbeHostSettings) -> None:
    async with served_host(settings) as (_, stub):
        reader = stub_reader(stub)
        with await opened(settings) as loop:
            loop.epochs(1, 1)
            loop.do("bridge.close()")
            await reader.until_final("mine")
            deleted = await stub.DeleteSession(host_pb2.DeleteSessionRequest(session_id="mine"), timeout=60)
            assert (deleted.session.removed, deleted.session.attached) == (True, True)
            await eventually(lambda: not (settings.home / "local" / "training" / "mine").exists())
        loop = await opened(settings)
        loop.epochs(1, 2)
        await appears(reader, "mine.attached-1")
    with loop:
        async with served_host(settings) as (_, stub):
            loop.do("bridge.close()")
            later = stub_reader(stub)
            assert (await later.until_final("mine.attached-1")).state == Session.STATE_COMPLETED
            assert later.values("mine.attached-1", "train_loss") == LOSSES[:2]


async def test_folders_that_hold_no_session_are_left_alone(settings: ProbeHostSettings, served: Served) -> None:
    reader = stub_reader(served[1])
    root = settings.home / "local" / "training"
    for name, content in {
        "empty": None, "garbage": b"\xff\x00", "list": b"[]", "other-id": b'{"id": "another"}',
        "no time": b'{"id": "no time"}', "halved": b'{"id": "halved", "pid": 1, "create_ti',
        "huge": b'{"id": "huge", "pid": 99999999999, "create_time": "2024-01-01T00:00:00Z"}',
        "naive": b'{"id": "naive", "pid": 1, "create_time": "2024-01-01T00:00:00"}',
    }.items():  # fmt: skip
        (root / name).mkdir()
        if content is not None:
            (root / name / "attached.json").write_bytes(content)
    (root / "a file").write_bytes(b"")
    with await opened(settings):
        await appears(reader)
        assert list(reader.sessions) == ["mine"]
    assert (root / "garbage" / "attached.json").read_bytes() == b"\xff\x00"
    assert not (root / "empty" / "session.json").exists()


async def test_an_id_that_the_host_has_is_changed(settings: ProbeHostSettings, served: Served) -> None:
    host, stub = served
    reader = stub_reader(stub)
    await host.sessions.start(kind=KIND, spec=worker_spec(epochs=1), session_id="mine")
    await reader.until_final("mine")
    with await opened(settings) as loop:
        session = await appears(reader, "mine.attached-1")
        assert session.display_name == "my run"
        loop.epochs(1, 4)
        loop.do("bridge.close()")
        await reader.until_final("mine.attached-1")
    assert reader.values("mine.attached-1", "train_loss") == LOSSES


async def test_an_id_of_a_session_cannot_be_started_again(settings: ProbeHostSettings, served: Served) -> None:
    host, stub = served
    with await opened(settings):
        await appears(stub_reader(stub))
        with pytest.raises(Exception, match="mine"):
            await host.sessions.start(kind=KIND, spec=worker_spec(epochs=1), session_id="mine")


async def test_it_is_told_to_one_who_asks_for_nothing_else(settings: ProbeHostSettings, served: Served) -> None:
    _, stub = served

    async def listed() -> list[str]:
        answer = await stub.ListSessions(host_pb2.ListSessionsRequest(), timeout=60)
        return [session.id for session in answer.sessions]

    with await opened(settings):
        await eventually(listed)
        session = await stub.GetSession(host_pb2.GetSessionRequest(session_id="mine"), timeout=60)
    assert session.attached
