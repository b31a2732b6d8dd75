"""One session's folder that cannot be read is told, and holds up nobody."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ktrdr.host.v1.session_pb2 import Session

from services.common.errors import error_info
from services.host.folder import SessionFolder
from services.host.host import Host
from tests.support.eventually import eventually
from tests.support.host_service import KIND, ProbeHostSettings, running_host, served_host
from tests.support.session_worker import worker_spec
from tests.support.status_reader import stub_reader


def garbage(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00{")


def folder(path: Path) -> None:
    path.mkdir()


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def damage(path: Path, make: Callable[[Path], None]) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    make(path)


DAMAGES = [garbage, folder, loop]
NAMES = ["session.json", "spec.json", "started.json", "worker.json", "control", "keeper.lock", "alive.lock", "journal",
         "exit.json", "result.json", "settled.json", "log.jsonl", "worker.log", "interrupted.json"]  # fmt: skip


async def ended(host: Host, session_id: str) -> Session:
    await eventually(lambda: host.sessions.find(session_id).settled)
    return host.sessions.get(session_id)


def reason(session: Session) -> str:
    info = error_info(session.error)
    return "" if info is None else info.reason


@pytest.mark.parametrize("make", DAMAGES)
async def test_whatever_is_damaged_in_folders_the_host_starts_and_every_session_has_an_end(
    settings: ProbeHostSettings, make: Callable[[Path], None]
) -> None:
    async with running_host(settings.model_copy(update={"slots": 20})) as host:
        await host.sessions.start(kind=KIND, spec=worker_spec(epochs=2), session_id="whole")
        await ended(host, "whole")
    sessions = settings.folder / "sessions"
    for name in NAMES:
        twin = sessions / name.replace(".", "-")
        shutil.copytree(sessions / "whole", twin)
        record = twin / "session.json"
        record.write_text(record.read_text().replace('"id": "whole"', f'"id": "{twin.name}"'))
        if name != "settled.json":
            (twin / "settled.json").unlink()
        damage(twin / name, make)
    (sessions / "none-of-ours").mkdir()
    async with served_host(settings) as (host, stub):
        told = {name: await ended(host, name.replace(".", "-")) for name in NAMES}
        reader = stub_reader(stub)
        await reader.drain()
        assert len(reader.finals) == len(NAMES) + 1
        assert not host.sessions.has("none-of-ours")
        assert (await host.sessions.start(kind=KIND, spec=worker_spec(epochs=1), session_id="later")).id == "later"
        assert (await ended(host, "later")).state == Session.STATE_COMPLETED
    reasons = {name: reason(session) for name, session in told.items() if session.state != Session.STATE_COMPLETED}
    assert reasons == {"result.json": "STORE_CORRUPT"}
    assert str(sessions / "result-json" / "result.json") in told["result.json"].error.message
    assert "Restore it from a backup" in told["result.json"].error.message


@pytest.mark.parametrize("make", DAMAGES)
@pytest.mark.parametrize("name", ["session.json", "settled.json"])
async def test_what_had_not_begun_and_cannot_be_read_is_not_begun(
    settings: ProbeHostSettings, make: Callable[[Path], None], name: str
) -> None:
    settings = settings.model_copy(update={"slots": 1})
    async with running_host(settings) as host:
        await host.sessions.start(kind=KIND, spec=worker_spec(end="wait"), session_id="first")
        await host.sessions.start(kind=KIND, spec=worker_spec(epochs=1), session_id="second")
        await host.begin_stop()
        await host.sessions.cancel("first")
        await ended(host, "first")
    path = settings.folder / "sessions" / "second"
    damage(path / name, make)
    async with running_host(settings) as host:
        session = await ended(host, "second")
        assert (session.state, reason(session)) == (Session.STATE_FAILED, "STORE_CORRUPT")
        assert name in session.error.message
    assert not SessionFolder(path).worker_record.exists()
    async with running_host(settings) as host:
        assert host.sessions.get("second") == session


async def test_a_live_worker_whose_record_is_gone_is_followed_to_its_end(settings: ProbeHostSettings) -> None:
    async with running_host(settings) as host:
        await host.sessions.start(kind=KIND, spec=worker_spec(epochs=3, hold=2), session_id="one")
        await eventually(lambda: host.sessions.get("one").worker_pid)
    path = settings.folder / "sessions" / "one"
    damage(path / "session.json", garbage)
    damage(path / "started.json", garbage)
    async with running_host(settings) as host:
        await eventually(lambda: host.sessions.get("one").worker_liveness == Session.WORKER_LIVENESS_ALIVE)
        assert host.sessions.get("one").state == Session.STATE_RUNNING
        (path / "go").touch()
        assert (await ended(host, "one")).state == Session.STATE_COMPLETED


async def test_a_session_that_cannot_be_settled_holds_up_no_other(settings: ProbeHostSettings) -> None:
    async with running_host(settings) as host:
        for session_id in ("stuck", "free"):
            await host.sessions.start(kind=KIND, spec=worker_spec(epochs=1, hold=1), session_id=session_id)
        await eventually(lambda: host.sessions.get("stuck").progress.phase)
        in_the_way = settings.folder / "sessions" / "stuck" / "settled.json"
        in_the_way.mkdir()
        (settings.folder / "sessions" / "stuck" / "go").touch()
        await eventually(lambda: host.sessions.get("stuck").worker_liveness == Session.WORKER_LIVENESS_ENDED)
        (settings.folder / "sessions" / "free" / "go").touch()
        assert (await ended(host, "free")).state == Session.STATE_COMPLETED
        assert host.sessions.get("stuck").state == Session.STATE_RUNNING
        in_the_way.rmdir()
        assert (await ended(host, "stuck")).state == Session.STATE_COMPLETED
