"""Kill a host while it removes sessions: none is ever both gone and untold."""

import asyncio
import random
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from google.protobuf.struct_pb2 import Struct

from services.host.folder import SessionFolder
from services.host.records import SessionRecord, SettledRecord
from tests.support.eventually import eventually
from tests.support.finished_sessions import days_ago, write_finished_session
from tests.support.host_service import ROOT, ProbeHostSettings, running_host
from tests.support.scripted_work import ScriptedWork

_SEED = 20_240_102
_KILLS = 30
_SESSIONS_A_KILL = 15
_MOMENTS = (("start", 0.3), ("sign", 0.03))


async def test_a_session_is_there_or_told_of_whenever_its_host_is_killed(settings: ProbeHostSettings) -> None:
    rng = random.Random(_SEED)
    root = settings.folder / "sessions"
    count, cut_off = 0, 0
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.retention_victim", str(settings.home),
        cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert victim.stdin is not None
    assert victim.stdout is not None
    try:
        for _ in range(_KILLS):
            for _ in range(_SESSIONS_A_KILL):
                count += 1
                write_finished_session(root, f"s{count}", count, days_ago(1))
            moment, longest = rng.choice(_MOMENTS)
            victim.stdin.write(f"{moment} {rng.uniform(0, longest)}\n".encode())
            assert await victim.stdout.readline() == b"killed\n"
            whole, tombstones = whole_sessions(root), tombstone_ids(settings.folder / "host.db")
            assert {f"s{number}" for number in range(1, count + 1)} <= whole | tombstones
            cut_off += bool(whole & tombstones or list(root.glob(".removed-*")))
    finally:
        victim.stdin.close()
        await victim.wait()
    assert cut_off, "no kill came in the middle of a removal; the times do not fit this machine"
    async with running_host(settings.model_copy(update={"keep_sessions": 0}), ScriptedWork().runner()) as host:
        await eventually(lambda: not list(root.iterdir()))
        assert host.retention.finished_count == 0
        for number in range(1, count + 1):
            session, result = await host.sessions.look_up(f"s{number}"), Struct()
            assert session.removed
            assert session.result.Unpack(result)
            assert result["number"] == number


def whole_sessions(root: Path) -> set[str]:
    """Return the ids of sessions whose folders are visible, and hold what they have to."""
    found = set()
    for path in root.iterdir():
        folder = SessionFolder(path)
        if path.name.startswith("."):
            continue
        assert SessionRecord.load(folder.session_record) is not None, f"{path} is half removed"
        assert SettledRecord.load(folder.settled_record) is not None, f"{path} is half removed"
        assert (folder.artifacts / "model.bin").stat().st_size == 10_000
        found.add(path.name)
    return found


def tombstone_ids(path: Path) -> set[str]:
    """Return the ids that the database has tombstones of; none where the host was killed before it made one."""
    if not path.exists():
        return set()
    with closing(sqlite3.connect(path)) as connection:
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return set()
        return {row[0] for row in connection.execute("SELECT id FROM tombstones")}
