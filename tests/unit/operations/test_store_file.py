"""A wrong file in the store's place is refused with one line that says what to do."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from services.common.startup import CannotStartError
from services.operations.command import command
from services.operations.store_file import prepare_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "operations" / "operations.sqlite3"


def refusal(path: Path) -> str:
    with pytest.raises(CannotStartError) as refused:
        prepare_file(path)
    line = str(refused.value)
    assert str(path) in line or str(path.parent) in line
    assert "\n" not in line
    return line


def test_a_new_store_can_be_opened_again(path: Path) -> None:
    prepare_file(path)
    prepare_file(path)
    assert path.exists()


def test_something_that_is_no_database(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"these are my notes\n" * 500)
    line = refusal(path)
    assert "damaged" in line
    assert "mv " in line
    assert path.read_bytes().startswith(b"these are my notes")


def test_a_store_with_overwritten_pages(path: Path) -> None:
    prepare_file(path)
    with path.open("r+b") as file:
        file.seek(4_096)
        file.write(os.urandom(8_192))
    assert "damaged" in refusal(path)


def test_a_truncated_store(path: Path) -> None:
    prepare_file(path)
    os.truncate(path, path.stat().st_size // 2)
    assert "damaged" in refusal(path)


def test_a_database_of_another_program(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    assert "another program" in refusal(path)


def test_a_store_of_a_newer_version(path: Path) -> None:
    prepare_file(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    connection.close()
    assert "version 99" in refusal(path)


def test_the_command_ends_with_one_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no store" * 100)
    with pytest.raises(SystemExit) as ended:
        command.main(["--home", str(path.parent.parent), "--port", "0"])
    assert ended.value.code == 1
    (line,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("operations: ")]
    assert str(path) in line


def test_deleting_an_operation_scans_no_table(path: Path) -> None:
    prepare_file(path)
    with closing(sqlite3.connect(path)) as connection:
        columns = connection.execute(
            'SELECT tables.name, keys."from" FROM sqlite_schema AS tables, pragma_foreign_key_list(tables.name) AS keys'
        ).fetchall()
        assert ("labels", "operation_id") in columns
        for table, column in [*columns, ("terms", "operation_id")]:
            plan = connection.execute(f"EXPLAIN QUERY PLAN SELECT 1 FROM {table} WHERE {column} = 'x'").fetchall()
            assert plan[0][3].startswith("SEARCH"), table
