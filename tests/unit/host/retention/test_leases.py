"""What readers have stored, as a host remembers it."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from ktrdr.host.v1.session_pb2 import HOST_KIND_TRAINING

from services.host.cursor import Cursor, SessionCursor, filter_digest
from services.host.host_identity import HostIdentity
from services.host.loading import load_sessions
from services.host.retention.host_database import HostDatabase
from services.host.retention.leases import Leases
from services.host.session import HostedSession
from tests.support.fake_clock import FakeClock
from tests.support.finished_sessions import days_ago, write_finished_session

WEEK = timedelta(days=7)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[HostDatabase]:
    database = HostDatabase(tmp_path / "host.db")
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def identity(tmp_path: Path) -> HostIdentity:
    identity = HostIdentity(tmp_path)
    identity.open()
    identity.note_finish_number(100)
    return identity


def cursor(identity: HostIdentity, finished_through: int, turn: int = 1, **sessions: SessionCursor) -> bytes:
    """Return a cursor of the host."""
    return Cursor(
        identity.host_uid, filter_digest(()), finished_through, turn, complete=True, sessions=sessions
    ).encode()


def finished(root: Path, number: int) -> HostedSession:
    """Return a session that finished with this number."""
    write_finished_session(root, f"s{number}", number, days_ago(1))
    (stored,) = [each for each in load_sessions(root) if each.record.number == number]
    session = HostedSession(stored.folder, stored.record, HOST_KIND_TRAINING)
    assert stored.settled is not None
    session.settle(stored.settled)
    return session


async def read_back(database: HostDatabase, identity: HostIdentity, clock: FakeClock) -> Leases:
    """Return the leases as the next life of the host has them."""
    leases = Leases(database, identity, clock)
    await leases.load()
    return leases


async def test_a_session_is_waited_for_until_every_reader_has_stored_its_end(
    tmp_path: Path, database: HostDatabase, identity: HostIdentity
) -> None:
    leases = Leases(database, identity, FakeClock())
    session = finished(tmp_path / "sessions", 5)
    assert not leases.waits_for(session)
    await leases.visit("one", b"", ())
    await leases.visit("two", cursor(identity, 5), ())
    assert leases.waits_for(session)
    await leases.visit("one", cursor(identity, 4), ())
    assert leases.waits_for(session)
    at_end = SessionCursor("", 0, session.snapshot().token)
    await leases.visit("one", cursor(identity, 4, 2, s5=at_end), ())
    assert not leases.waits_for(session)
    for behind in (at_end._replace(token=bytes(8)), at_end._replace(seq=1), at_end._replace(incarnation="ab" * 16)):
        await leases.visit("one", cursor(identity, 4, 3, s5=behind), ())
        assert leases.waits_for(session)
    await leases.visit(
        "one", cursor(identity, 101), ()
    )  # of a life of the host that a restored backup knows nothing of
    assert leases.waits_for(session)


async def test_the_next_life_of_the_host_waits_for_the_same(
    tmp_path: Path, database: HostDatabase, identity: HostIdentity
) -> None:
    clock = FakeClock()
    leases, session = Leases(database, identity, clock), finished(tmp_path / "sessions", 5)
    await leases.visit("r", cursor(identity, 4), ())
    assert (await read_back(database, identity, clock)).waits_for(session)  # a new lease is stored at once
    await leases.visit("r", cursor(identity, 5, 2), ())
    assert (await read_back(database, identity, clock)).waits_for(session)  # an advance is not
    await leases.store()
    assert not (await read_back(database, identity, clock)).waits_for(session)
    await leases.visit("r", cursor(identity, 4, 3), ())
    assert (await read_back(database, identity, clock)).waits_for(session)  # falling back is


async def test_absence_counts_over_lives_of_the_host_but_not_between_them(
    database: HostDatabase, identity: HostIdentity
) -> None:
    clock = FakeClock()
    leases = Leases(database, identity, clock)
    await leases.visit("r", b"", ())
    for _ in range(2):
        clock.advance(timedelta(days=3).total_seconds())
        leases.forget_absent(WEEK)
        await leases.store()
        clock.advance(timedelta(days=300).total_seconds())  # the host is off
        leases = await read_back(database, identity, clock)
        leases.forget_absent(WEEK)
        assert "r" in leases
    clock.advance(timedelta(days=1.1).total_seconds())
    leases.forget_absent(WEEK)
    assert "r" not in leases
    await leases.store()
    assert len(await read_back(database, identity, clock)) == 0


async def test_a_visit_ends_an_absence(database: HostDatabase, identity: HostIdentity) -> None:
    clock = FakeClock()
    leases = Leases(database, identity, clock)
    for session_ids in ((), (), ["a"]):
        await leases.visit("r", b"", session_ids)
        clock.advance(timedelta(days=6).total_seconds())
        leases.forget_absent(WEEK)
        assert "r" in leases


async def test_the_reader_that_is_away_longest_makes_room(database: HostDatabase, identity: HostIdentity) -> None:
    clock = FakeClock()
    leases = Leases(database, identity, clock)
    for number in range(64):
        clock.advance(1)
        await leases.visit(f"r{number}", b"", ())
    await leases.visit("r0", b"", ())
    await leases.visit("new", b"", ())
    assert len(leases) == 64
    assert "r0" in leases
    assert "r1" not in leases
    assert len(await read_back(database, identity, clock)) == 64


async def test_a_reader_is_answered_though_its_lease_cannot_be_stored(
    tmp_path: Path, database: HostDatabase, identity: HostIdentity
) -> None:
    clock, session = FakeClock(), finished(tmp_path / "sessions", 5)
    leases = Leases(database, identity, clock)
    await database.run(lambda connection: connection.execute("PRAGMA query_only=ON").fetchall())
    await leases.visit("r", b"", ())
    assert leases.waits_for(session)
    await database.run(lambda connection: connection.execute("PRAGMA query_only=OFF").fetchall())
    await leases.store()
    assert (await read_back(database, identity, clock)).waits_for(session)


async def test_a_lease_that_cannot_be_understood_any_more_acknowledges_nothing(
    tmp_path: Path, database: HostDatabase, identity: HostIdentity
) -> None:
    rows = [("old", secrets.token_bytes(40), 0.0, 0)]
    await database.run(lambda connection: connection.executemany("INSERT INTO leases VALUES (?, ?, ?, ?)", rows))
    leases = await read_back(database, identity, FakeClock())
    session = finished(tmp_path / "sessions", 5)
    assert leases.waits_for(session)
    await leases.visit("old", cursor(identity, 5), ())
    assert not leases.waits_for(session)
