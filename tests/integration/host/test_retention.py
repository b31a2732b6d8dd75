"""What a host keeps of finished sessions, and for how long."""

import asyncio
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ktrdr.host.v1 import host_pb2
from ktrdr_bridge import hold_alive_lock

from services.common.startup import CannotStartError
from services.host.cursor import Cursor, filter_digest
from services.host.host import Host
from services.host.retention import hidden_folders, retention
from services.host.retention.tombstones import Tombstone
from services.host.session import HostedSession
from services.host.status_query import StatusQuery
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock
from tests.support.finished_sessions import days_ago, write_finished_session
from tests.support.host_service import ProbeHostSettings, make_host, running_host
from tests.support.scripted_work import ScriptedWork, scripted_host


@asynccontextmanager
async def host_of(settings: ProbeHostSettings) -> AsyncIterator[Host]:
    """Run a host whose sessions have all ended; its first sweep is done."""
    async with running_host(settings, ScriptedWork().runner()) as host:
        await host.retention.sweep()
        yield host


def folders(settings: ProbeHostSettings) -> list[str]:
    """Return the names of all folders of sessions, hidden ones included."""
    return sorted(path.name for path in (settings.folder / "sessions").iterdir())


def listed(host: Host) -> list[str]:
    """Return the ids that people see, oldest first."""
    return [session.id for session in host.listing.page(500, "").sessions][::-1]


async def read_to_the_end(host: Host) -> bytes:
    """Return the cursor of somebody who has read everything."""
    cursor = b""
    while True:
        response = await host.status.read(StatusQuery(cursor=cursor))
        cursor = response.next_cursor
        if not response.more and response.snapshot_complete:
            return cursor


async def test_the_defaults_keep_a_thousand_sessions_for_thirty_days(settings: ProbeHostSettings) -> None:
    root = settings.folder / "sessions"
    for number in range(1, 1_006):
        write_finished_session(root, f"s{number}", number, days_ago(30.1 if number <= 8 else 29.9))
    async with host_of(settings) as host:
        assert host.retention.finished_count == 997
        assert not (await host.sessions.look_up("s9")).removed
        for name in ("s1", "s8"):
            assert (await host.sessions.look_up(name)).removed
        await eventually(lambda: len(folders(settings)) == 997)
        assert host.describe().finished_sessions == 997
        await eventually(lambda: host.describe().disk.sessions_bytes > 997 * 10_000)


async def test_the_newest_sessions_are_kept_by_count(settings: ProbeHostSettings) -> None:
    root = settings.folder / "sessions"
    for number in range(1, 8):
        write_finished_session(root, f"s{number}", number, days_ago(1))
    async with host_of(settings.model_copy(update={"keep_sessions": 3})) as host:
        assert listed(host) == ["s5", "s6", "s7"]
        await eventually(lambda: folders(settings) == ["s5", "s6", "s7"])


async def test_what_somebody_else_removes_during_a_sweep_is_left_alone(
    settings: ProbeHostSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3):
        write_finished_session(settings.folder / "sessions", f"s{number}", number, days_ago(1))
    async with host_of(settings) as host:
        loop, removed = asyncio.get_running_loop(), list[HostedSession]()

        def overtaken(finished: list[HostedSession], *_: object) -> list[HostedSession]:
            removing = host.retention.removal.remove(finished[:1])
            asyncio.run_coroutine_threadsafe(removing, loop).result(60)
            removed.extend(finished[:1])
            return finished

        monkeypatch.setattr(retention, "overdue", overtaken)
        assert await host.retention.sweep()
        assert [session.id for session in removed] == ["s1"]
        assert listed(host) == []


async def test_a_session_that_finishes_makes_room_at_once(settings: ProbeHostSettings) -> None:
    async with scripted_host(settings.model_copy(update={"keep_sessions": 1})) as served:
        for name in ("a", "b"):
            await served.start(name, epochs=2)
            await served.complete(name)
        await eventually(lambda: listed(served.host) == ["b"])
        await eventually(lambda: folders(settings) == ["b"])
        assert (await served.host.sessions.look_up("a")).removed


async def test_what_a_reader_has_not_stored_is_kept_over_restarts_until_it_has(settings: ProbeHostSettings) -> None:
    strict = settings.model_copy(update={"keep_sessions": 0})
    root = settings.folder / "sessions"
    async with running_host(settings, ScriptedWork().runner()) as host:
        await host.retention.leases.visit("registry", b"", [])
    write_finished_session(root, "a", 1, days_ago(1))
    write_finished_session(root, "b", 2, days_ago(1))
    for _ in range(2):
        async with host_of(strict) as host:
            assert listed(host) == ["a", "b"]
            cursor = await read_to_the_end(host)
    async with host_of(strict) as host:
        await host.retention.leases.visit("registry", cursor, [])
        await host.retention.sweep()
        assert listed(host) == []
    write_finished_session(root, "c", 3, days_ago(1))
    async with host_of(strict) as host:
        assert listed(host) == ["c"]
        assert (await host.sessions.look_up("a")).removed


async def test_a_host_that_knows_no_readers_waits_for_them_first(settings: ProbeHostSettings) -> None:
    clock = FakeClock(datetime.now(UTC))
    patient = settings.model_copy(update={"keep_sessions": 0, "reader_grace_seconds": 600.0})
    for number in (1, 2):
        write_finished_session(settings.folder / "sessions", f"s{number}", number, days_ago(1))
    async with running_host(patient, ScriptedWork().runner(), clock) as host:
        clock.advance(599)
        await host.retention.sweep()
        assert listed(host) == ["s1", "s2"]
        first = host.sessions.find("s1").settled
        assert first is not None
        cursor = Cursor(host.describe().host_uid, filter_digest(()), first.finish_number, complete=True)
        await host.retention.leases.visit("registry", cursor.encode(), [])
        await host.retention.sweep()
        assert listed(host) == ["s2"]
        clock.advance(8 * 86_400)
        await host.retention.sweep()
        assert listed(host) == []


async def test_a_reader_that_stays_away_is_forgotten(settings: ProbeHostSettings) -> None:
    impatient = settings.model_copy(update={"keep_sessions": 0, "lease_days": 1e-6})
    async with running_host(settings, ScriptedWork().runner()) as host:
        await host.retention.leases.visit("gone", b"", [])
    write_finished_session(settings.folder / "sessions", "a", 1, days_ago(1))
    async with running_host(impatient, ScriptedWork().runner()) as host:

        async def removed() -> bool:
            await host.retention.sweep()
            return listed(host) == []

        await eventually(removed)
        assert "gone" not in host.retention.leases


async def test_time_without_a_host_does_not_count_as_absence_of_its_readers(settings: ProbeHostSettings) -> None:
    now = datetime.now(UTC)
    strict = settings.model_copy(update={"keep_sessions": 0, "lease_days": 7.0})
    async with running_host(strict, ScriptedWork().runner(), FakeClock(now)) as host:
        await host.retention.leases.visit("registry", b"", [])
    write_finished_session(settings.folder / "sessions", "a", 1, days_ago(1))
    async with running_host(strict, ScriptedWork().runner(), FakeClock(now + timedelta(days=30))) as host:
        await host.retention.sweep()
        assert "registry" in host.retention.leases
        assert listed(host) == ["a"]


async def test_a_lost_lead_of_a_reader_holds_from_the_moment_it_is_told(settings: ProbeHostSettings) -> None:
    """A registry that comes back from a backup knows less than it did: nothing more is removed, after a crash too."""
    write_finished_session(settings.folder / "sessions", "a", 1, days_ago(1))
    host_settings = settings.model_copy(update={"keep_sessions": 5})
    async with running_host(host_settings, ScriptedWork().runner()) as host:
        cursor = await read_to_the_end(host)
        await host.retention.leases.visit("registry", cursor, [])
        await host.retention.leases.visit("registry", b"", [])
        rows = await host.retention._database.run(  # what a crash would leave
            lambda connection: connection.execute("SELECT acked_cursor FROM leases").fetchall()
        )
        assert rows == [(b"",)]


async def test_a_session_whose_process_still_lives_stays(settings: ProbeHostSettings) -> None:
    folder = write_finished_session(settings.folder / "sessions", "a", 1, days_ago(1))
    strict = settings.model_copy(update={"keep_sessions": 0})
    with hold_alive_lock(folder.alive_lock):
        async with host_of(strict) as host:
            assert listed(host) == ["a"]
    async with host_of(strict) as host:
        assert listed(host) == []


async def test_numbers_of_removed_sessions_are_not_given_again(settings: ProbeHostSettings) -> None:
    write_finished_session(settings.folder / "sessions", "a", 41, days_ago(1))
    async with host_of(settings.model_copy(update={"keep_sessions": 0})) as host:
        assert listed(host) == []
    async with scripted_host(settings) as served:
        await served.start("b")
        assert served.host.sessions.find("b").record.number == 42


async def test_old_tombstones_are_forgotten(settings: ProbeHostSettings) -> None:
    async with running_host(settings, ScriptedWork().runner()) as host:
        for session_id, age in (("old", 90.1), ("young", 89.9)):
            tombstone = Tombstone(session_id, "", 1, "", "", days_ago(age), "STATE_COMPLETED", b"", days_ago(age))
            await host.retention.tombstones.add([tombstone])
        await host.retention.sweep()
        assert await host.retention.tombstones.get("old") is None
        assert await host.retention.tombstones.get("young") is not None


def crash_before_hiding(settings: ProbeHostSettings) -> None:
    """Leave the folder as it was: the crash came right after the tombstone."""


def crash_before_deleting(settings: ProbeHostSettings) -> None:
    """Leave the folder hidden and whole."""
    hidden_folders.hide_folders([settings.folder / "sessions" / "a"])


def crash_while_deleting(settings: ProbeHostSettings) -> None:
    """Leave the folder hidden and without the record that says what it was."""
    crash_before_deleting(settings)
    (settings.folder / "sessions" / ".removed-a" / "session.json").unlink()


def crash_with_both(settings: ProbeHostSettings) -> None:
    """Leave a hidden folder of an earlier try beside the visible one."""
    (settings.folder / "sessions" / ".removed-a" / "artifacts").mkdir(parents=True)


@pytest.mark.parametrize("crash", [crash_before_hiding, crash_before_deleting, crash_while_deleting, crash_with_both])
async def test_a_removal_that_a_crash_cut_off_is_finished_at_the_next_start(
    settings: ProbeHostSettings, crash: Callable[[ProbeHostSettings], None]
) -> None:
    root = settings.folder / "sessions"
    write_finished_session(root, "a", 1, days_ago(1))
    write_finished_session(root, "b", 2, days_ago(1))
    async with running_host(settings, ScriptedWork().runner()) as host:
        a = host.sessions.find("a")
        assert a.settled is not None
        await host.retention.tombstones.add([Tombstone.of(a.record, a.settled, a.folder.path, days_ago(0))])
    crash(settings)
    async with running_host(settings, ScriptedWork().runner()) as host:
        assert listed(host) == ["b"]
        assert (await host.sessions.look_up("a")).removed
        await eventually(lambda: folders(settings) == ["b"])


async def test_a_folder_that_cannot_be_hidden_is_not_shown_and_tried_again(
    settings: ProbeHostSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_finished_session(settings.folder / "sessions", "a", 1, days_ago(1))
    rename = Path.rename
    broken = True

    def failing(path: Path, target: Path) -> Path:
        if broken and path.name == "a":
            raise PermissionError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    strict = settings.model_copy(update={"keep_sessions": 0})
    for _ in range(2):
        async with host_of(strict) as host:
            assert listed(host) == []
            assert (await host.sessions.look_up("a")).removed
        assert folders(settings) == ["a"]
    broken = False
    async with host_of(strict):
        await eventually(lambda: folders(settings) == [])


async def test_nothing_is_removed_while_its_tombstone_cannot_be_written(settings: ProbeHostSettings) -> None:
    write_finished_session(settings.folder / "sessions", "a", 1, days_ago(1))
    async with running_host(settings, ScriptedWork().runner()) as host:
        database = host.retention._database
        await database.run(lambda connection: connection.execute("PRAGMA query_only=ON").fetchall())
        with pytest.raises(Exception, match="cannot be written"):
            await host.past.delete("a")
        assert listed(host) == ["a"]
        assert folders(settings) == ["a"]
        await database.run(lambda connection: connection.execute("PRAGMA query_only=OFF").fetchall())
        assert (await host.past.delete("a")).removed


async def test_sessions_can_be_deleted_while_the_disk_is_full(settings: ProbeHostSettings) -> None:
    for number in range(1, 4):
        write_finished_session(settings.folder / "sessions", f"s{number}", number, days_ago(1))
    async with running_host(settings, ScriptedWork().runner()) as host:
        files = [settings.folder / name for name in ("host.db", "host.db-wal")]
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        full = min(path.stat().st_size for path in files)  # no file may grow: as good as a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (full, hard))
        try:
            for number in range(1, 4):
                assert (await host.past.delete(f"s{number}")).removed
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        await eventually(lambda: folders(settings) == [])


async def test_sessions_of_users_own_processes_are_removed_where_they_are(settings: ProbeHostSettings) -> None:
    local = settings.home / "local" / "training"
    write_finished_session(local, "mine", 1, days_ago(1))
    write_finished_session(local, "a", 3, days_ago(1))  # the name of another session, in another place
    hidden = local / ".removed-of-somebody-else"
    hidden.mkdir()
    write_finished_session(settings.folder / "sessions", "a", 2, days_ago(1))
    async with running_host(settings, ScriptedWork().runner()) as host:
        a = host.sessions.find("a")
        assert a.settled is not None
        record = a.record.model_copy(update={"id": "mine", "number": 1})
        await host.retention.tombstones.add([Tombstone.of(record, a.settled, local / "mine", days_ago(0))])
    async with host_of(settings):
        await eventually(lambda: {path.name for path in local.iterdir()} - {"host.lock"} == {hidden.name, "a"})


async def test_a_second_delete_waits_for_the_first(settings: ProbeHostSettings) -> None:
    write_finished_session(settings.folder / "sessions", "a", 1, days_ago(1))
    async with running_host(settings, ScriptedWork().runner()) as host:
        first, second = await asyncio.gather(host.past.delete("a"), host.past.delete("a"))
        assert first == second
        assert first.removed


@pytest.mark.parametrize("content", [b"not a database at all", b"SQLite format 3\0" + bytes(4096)])
async def test_a_damaged_database_is_named_at_the_start(settings: ProbeHostSettings, content: bytes) -> None:
    settings.folder.mkdir(parents=True)
    (settings.folder / "host.db").write_bytes(content)
    host = make_host(settings, ScriptedWork().runner())
    with pytest.raises(CannotStartError, match=r"host\.db is damaged"):
        await host.start()
    await host.stop()


async def test_readers_of_the_status_are_told_once_what_retention_took(settings: ProbeHostSettings) -> None:
    async with scripted_host(settings.model_copy(update={"keep_sessions": 0})) as served:
        await served.host.retention.leases.visit("holds", b"", [])
        await served.start("a", epochs=1)
        cursor = (await served.stub.GetStatus(host_pb2.GetStatusRequest())).next_cursor
        await served.complete("a")
        ahead = await read_to_the_end(served.host)
        await served.host.retention.leases.visit("holds", ahead, [])
        await served.host.retention.sweep()
        response = await served.stub.GetStatus(host_pb2.GetStatusRequest(cursor=cursor))
        assert list(response.removed_sessions) == ["a"]
        response = await served.stub.GetStatus(host_pb2.GetStatusRequest(cursor=ahead))
        assert not response.removed_sessions
