"""A store with many ended operations, written in bulk."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1.trends_pb2 import VerdictKind

from services.operations import schema
from services.operations.operation_state import Delivery, OperationState
from services.operations.store_file import prepare_file
from services.operations.store_layout import create_indexes
from services.operations.store_triggers import count_anew, create_triggers, drop_triggers

START = datetime(2025, 1, 1, tzinfo=UTC)
END = datetime(2025, 12, 31, tzinfo=UTC)
HOSTS = 200
TEAMS = ["red"] * 60 + ["blue"] * 30 + ["green"] * 9 + ["lilac"]
_STATE = pb.Operation.State
_STATES = [_STATE.STATE_COMPLETED] * 88 + [_STATE.STATE_FAILED] * 11 + [_STATE.STATE_CANCELLED]
_BATCH = 20_000


def fill(path: Path, count: int) -> None:
    """Write a store with `count` ended operations, spread over a year."""
    prepare_file(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        drop_triggers(connection)
        for index in (index for table in schema.metadata.sorted_tables for index in table.indexes):
            connection.execute(f"DROP INDEX {index.name}")
        connection.execute("BEGIN")
        _write(connection, count)
        create_indexes(connection)
        count_anew(connection)
        create_triggers(connection)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode=WAL")


def _write(connection: sqlite3.Connection, count: int) -> None:
    columns = [column.name for column in schema.operations.columns]
    places = ", ".join(f":{column}" for column in columns)
    rows = []
    labels = []
    for number, state in enumerate(_states(count), 1):
        rows.append(state.row())
        labels += [(state.record.id, key, value) for key, value in state.record.labels.items()]
        if len(rows) == _BATCH or number == count:
            connection.executemany(f"INSERT INTO operations ({', '.join(columns)}) VALUES ({places})", rows)
            connection.executemany("INSERT INTO labels VALUES (?, ?, ?)", labels)
            rows, labels = [], []


def _states(count: int) -> Iterator[OperationState]:
    rng = random.Random(5)
    start, length = int(START.timestamp()), int((END - START).total_seconds())
    record = pb.Operation()
    for number in range(count):
        created = start + rng.randrange(length)
        began, ended = created + rng.randrange(60), created + 60 + rng.randrange(7_200)
        record.Clear()
        record.id = f"{rng.getrandbits(60):015x}"[:12] + f"{number % 4096:03x}"
        record.attempt = 1
        record.state = rng.choice(_STATES)
        record.type = pb.OPERATION_TYPE_TRAINING if number % 10 else pb.OPERATION_TYPE_DATA_LOAD
        # The last of the hosts has little to do.
        record.host = f"gpu-{min(rng.randrange(HOSTS * 50) // 50, HOSTS - 2)}" if rng.random() > 0.0005 else "gpu-199"
        record.session_id = f"{record.id}-1"
        record.display_name = f"run {rng.randrange(5_000)}"
        record.strategy = f"momentum-{rng.randrange(40)}"
        record.labels["team"] = rng.choice(TEAMS)
        record.create_time.seconds, record.create_time.nanos = created, rng.randrange(10**6) * 1_000
        record.start_time.seconds, record.end_time.seconds, record.update_time.seconds = began, ended, ended
        record.metric_points = 400
        for name in ("train_loss", "val_loss", "val_accuracy"):
            record.latest_metrics.add(name=name, value=rng.random(), step=50, seq=49)
        if rng.random() < 0.05:
            record.verdicts.add(
                kind=VerdictKind.VERDICT_KIND_OVERFITTING,
                active=True,
                series="val_loss",
                rule="rises while train falls",
            )
        record.training_result.epochs = 50
        record.training_result.artifact_folder = f"/models/{record.id}"
        yield OperationState(record, Delivery.ACCEPTED, host_uid="h" * 16)
