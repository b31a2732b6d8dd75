"""Which sessions are kept, what folders take, and which files are no database of a host."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ktrdr.host.v1.session_pb2 import HOST_KIND_TRAINING, Session

from services.common.startup import CannotStartError
from services.host.folder import SessionFolder
from services.host.records import SettledRecord
from services.host.retention.disk_use import folder_bytes
from services.host.retention.hidden_folders import delete_folder, hide_folders
from services.host.retention.host_database import HostDatabase
from services.host.retention.keeping import KeepLimits, overdue
from services.host.session import HostedSession
from tests.support.accepted_sessions import session_record

NOW = datetime(2024, 1, 2, tzinfo=UTC)


def session(number: int, age_hours: int) -> HostedSession:
    """Return a session that finished as the one with this number, so many hours ago."""
    end_time = NOW - timedelta(hours=age_hours)
    record = session_record(id=f"s{number}", number=number, create_time=end_time)
    hosted = HostedSession(SessionFolder(Path("nowhere") / record.id), record, HOST_KIND_TRAINING)
    message = Session(id=record.id, state=Session.STATE_COMPLETED)
    hosted.settle(
        SettledRecord(
            state="STATE_COMPLETED",
            end_time=end_time,
            finish_number=number,
            incarnation="",
            rows=0,
            session=message.SerializeToString(),
        )
    )
    return hosted


@given(
    ages=st.lists(st.integers(min_value=0, max_value=100), max_size=30),
    keep_hours=st.integers(min_value=0, max_value=100),
    keep_count=st.integers(min_value=0, max_value=40),
)
def test_what_is_kept_is_young_and_among_the_newest_and_nothing_else_is(
    ages: list[int], keep_hours: int, keep_count: int
) -> None:
    sessions = [session(number, age) for number, age in enumerate(ages, start=1)]
    limits = KeepLimits(timedelta(hours=keep_hours), keep_count, timedelta(days=1), timedelta(days=1))
    over = overdue(sessions, limits, NOW)
    newest = sessions[len(sessions) - keep_count :] if keep_count < len(sessions) else sessions
    kept = [each for each, age in zip(sessions, ages, strict=True) if age <= keep_hours and each in newest]
    assert [each for each in sessions if each not in over] == kept
    assert [each.record.number for each in over] == sorted(each.record.number for each in over)


def test_a_folder_takes_what_its_files_take_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    empty = folder_bytes(tmp_path / "a")
    (tmp_path / "a" / "b" / "c").write_bytes(os.urandom(100_000))
    taken = folder_bytes(tmp_path / "a") - empty
    assert 100_000 <= taken < 110_000
    (tmp_path / "elsewhere").write_bytes(os.urandom(100_000))
    (tmp_path / "a" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    assert folder_bytes(tmp_path / "a") - empty < taken + 10_000
    assert folder_bytes(tmp_path / "nothing") == 0


def test_a_folder_that_is_a_link_goes_and_what_it_points_at_stays(tmp_path: Path) -> None:
    (tmp_path / "disk2" / "s1").mkdir(parents=True)
    (tmp_path / "disk2" / "s1" / "model").touch()
    (tmp_path / "s1").symlink_to(tmp_path / "disk2" / "s1")
    hidden, failed = hide_folders([tmp_path / "s1", tmp_path / "not-there"])
    assert (hidden, failed) == ([tmp_path / ".removed-s1"], {})
    assert delete_folder(hidden[0]) is None
    assert delete_folder(hidden[0]) is None
    assert [path.name for path in tmp_path.iterdir()] == ["disk2"]
    assert (tmp_path / "disk2" / "s1" / "model").exists()


def other_program(path: Path) -> None:
    """Make a database of another program."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")


def later_version(path: Path) -> None:
    """Make a database of a later version of this one."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE t (x); PRAGMA application_id=1263813704; PRAGMA user_version=99;")


def folder(path: Path) -> None:
    """Put a folder where the database should be."""
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "words"), [(other_program, "another program"), (later_version, "version 99"), (folder, "cannot be opened")]
)
async def test_a_file_that_is_no_database_of_ours_is_refused_with_its_name(
    tmp_path: Path, make: Callable[[Path], None], words: str
) -> None:
    path = tmp_path / "host.db"
    make(path)
    with pytest.raises(CannotStartError, match=words) as refused:
        await HostDatabase(path).open()
    assert str(path) in str(refused.value)
