"""A store of the version before comes along as it is: in one transaction, with everything that lists need."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import structlog
from ktrdr.host.v1.metrics_pb2 import MetricSeries
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.training.v1 import training_pb2

from services.common.startup import CannotStartError
from services.operations import store_upgrade
from services.operations.blocks import pack
from services.operations.filters import parse_filter
from services.operations.lists.order import parse_order
from services.operations.lists.search import Question, search
from services.operations.operation_state import OperationState, State, spec_of
from services.operations.schema import SCHEMA_VERSION, metadata
from services.operations.store import Store
from services.operations.store_file import prepare_file

FIRST_LAYOUT = """
CREATE TABLE schema_version (version INTEGER NOT NULL);
CREATE TABLE operations (id VARCHAR NOT NULL PRIMARY KEY, created_us INTEGER NOT NULL, revision INTEGER NOT NULL,
  terminal BOOLEAN NOT NULL, state INTEGER NOT NULL, type INTEGER NOT NULL, host VARCHAR NOT NULL,
  display_name VARCHAR NOT NULL, host_uid VARCHAR NOT NULL, session_id VARCHAR NOT NULL, delivery INTEGER NOT NULL,
  wanted_host VARCHAR NOT NULL, cancel_now BOOLEAN NOT NULL, cancel_sent BOOLEAN NOT NULL, record BLOB NOT NULL);
CREATE INDEX operations_by_age ON operations (created_us, id);
CREATE INDEX operations_by_revision ON operations (terminal, revision);
CREATE INDEX operations_by_session ON operations (host_uid, session_id);
CREATE TABLE specs (operation_id VARCHAR NOT NULL PRIMARY KEY REFERENCES operations (id) ON DELETE CASCADE,
  spec BLOB NOT NULL);
CREATE TABLE labels (operation_id VARCHAR NOT NULL REFERENCES operations (id) ON DELETE CASCADE,
  key VARCHAR NOT NULL, value VARCHAR NOT NULL, PRIMARY KEY (operation_id, key));
CREATE TABLE journals (operation_id VARCHAR NOT NULL REFERENCES operations (id) ON DELETE CASCADE,
  attempt INTEGER NOT NULL, incarnation VARCHAR NOT NULL, ordinal INTEGER NOT NULL, next_seq INTEGER NOT NULL,
  PRIMARY KEY (operation_id, attempt, incarnation));
CREATE TABLE metric_blocks (operation_id VARCHAR NOT NULL REFERENCES operations (id) ON DELETE CASCADE,
  attempt INTEGER NOT NULL, incarnation VARCHAR NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
  data BLOB NOT NULL, PRIMARY KEY (operation_id, attempt, incarnation, first_seq));
CREATE TABLE hosts (name VARCHAR NOT NULL PRIMARY KEY, host_uid VARCHAR NOT NULL, kind INTEGER NOT NULL,
  cursor BLOB NOT NULL, draining BOOLEAN NOT NULL);
CREATE TABLE requests (request_id VARCHAR NOT NULL PRIMARY KEY,
  operation_id VARCHAR NOT NULL REFERENCES operations (id) ON DELETE CASCADE, body_digest BLOB NOT NULL,
  expires_us INTEGER NOT NULL);
CREATE TABLE counters (name VARCHAR NOT NULL PRIMARY KEY, value INTEGER NOT NULL);
PRAGMA application_id = 1263817284;
INSERT INTO schema_version VALUES (1);
INSERT INTO hosts VALUES ('gpu', 'uid', 1, x'0102', 1);
INSERT INTO counters VALUES ('revision_limit', 5000);
"""
FIRST_COLUMNS = [
    *("id", "created_us", "revision", "terminal", "state", "type", "host", "display_name", "host_uid", "session_id"),
    *("delivery", "wanted_host", "cancel_now", "cancel_sent", "record"),
]


def training(number: int, state: "State.ValueType") -> pb.Operation:
    record = pb.Operation(
        id=f"op{number}",
        state=state,
        type=pb.OPERATION_TYPE_TRAINING,
        attempt=2,
        revision=100 + number,
        host="gpu",
        labels={"team": "red"},
        training=training_pb2.TrainingSpec(strategy="name: momentum\nversion: 3\n"),
    )
    record.create_time.FromSeconds(1_000 + number)
    record.update_time.FromSeconds(2_000)
    if state != State.STATE_RUNNING:
        record.end_time.FromSeconds(3_000)
    return record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "operations" / "operations.sqlite3"
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(FIRST_LAYOUT)
        for record in (
            training(1, State.STATE_COMPLETED),
            training(2, State.STATE_FAILED),
            training(3, State.STATE_RUNNING),
        ):
            row = OperationState(record).row()
            marks = ", ".join("?" * len(FIRST_COLUMNS))
            connection.execute(f"INSERT INTO operations VALUES ({marks})", [row[name] for name in FIRST_COLUMNS])
            connection.execute("INSERT INTO specs VALUES (?, ?)", (record.id, spec_of(record).SerializeToString()))
            connection.execute("INSERT INTO labels VALUES (?, 'team', 'red')", (record.id,))
            connection.execute("INSERT INTO journals VALUES (?, 2, 'i', 0, 2)", (record.id,))
            series = MetricSeries(name="loss", first_seq=0, steps=[1, 2], values=[0.5, 0.25], times=[1, 2])
            connection.execute("INSERT INTO metric_blocks VALUES (?, 2, 'i', 0, 1, ?)", (record.id, pack([series])))
    return path


def layout(path: Path) -> dict[str, tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        columns = {name: tuple(connection.execute(f"PRAGMA table_info({name})")) for name in names}
        rest = connection.execute("SELECT name FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql NOT NULL")
        keys = {f"{name} keys": tuple(connection.execute(f"PRAGMA foreign_key_list({name})")) for name in names}
        return columns | keys | {"rest": tuple(sorted(rest))}


def test_an_upgraded_store_is_laid_out_like_a_new_one(path: Path, tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        assert prepare_file(path)
    assert [line["event"] for line in logs] == ["store_upgrade", "store_upgraded"]
    new = tmp_path / "new.sqlite3"
    prepare_file(new)
    assert layout(path) == layout(new)
    assert prepare_file(path)


async def test_an_upgraded_store_has_everything(path: Path) -> None:
    store = await Store.open(path)
    (live,) = await store.read.live_operations()
    assert (live.record.id, live.record.strategy, live.record.attempt) == ("op3", "momentum", 2)
    assert (await store.read.live_positions())["op3", 2].next_seq == {"i": 2}
    ended = await store.read.operation("op1")
    assert ended is not None
    assert ended.record.training.strategy.startswith("name: momentum")
    assert (await store.read.hosts())["gpu"].cursor == b"\1\2"
    assert await store.read.revision_limit() == 5_000
    await store.close()
    with closing(sqlite3.connect(path)) as connection:
        blocks = connection.execute("SELECT operation_id, points, revision FROM metric_blocks ORDER BY 1").fetchall()
        assert blocks == [("op1", 2, 101), ("op2", 2, 102), ("op3", 2, 103)]
        for text in ("labels.team = red", "strategy = momentum", "end_time = 1970-01-01T00:50:00Z", "attempt = 2"):
            answer = search(connection, Question(parse_filter(text), parse_order(""), None, 10, count=True))
            assert [state.record.id for _, state in answer.found] == ["op2", "op1"], text
            assert answer.total == 2
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = layout(path)

    def full(_: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(store_upgrade, "count_anew", full)
    with pytest.raises(CannotStartError, match="disk has space"):
        prepare_file(path)
    assert layout(path) == before
    monkeypatch.undo()
    prepare_file(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchone() == (SCHEMA_VERSION,)
        assert connection.execute("SELECT count(*) FROM operations").fetchone() == (3,)
    assert set(metadata.tables) <= set(layout(path))
