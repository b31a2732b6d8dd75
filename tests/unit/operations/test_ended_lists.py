"""Pages of ended operations are what memory says, whatever the filter, the order and the way through the store."""

import asyncio
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1.trends_pb2 import VerdictKind

from services.operations.changes import Changes
from services.operations.filters import EVERYTHING, matches, parse_filter
from services.operations.lineage.datasets import use_rows, version_rows
from services.operations.lists.order import OrderError, Place, parse_order
from services.operations.lists.search import Limits, Question, search
from services.operations.lists.totals import read_cells
from services.operations.operation_state import OperationState, State
from services.operations.store import Store

ENDS = (State.STATE_COMPLETED, State.STATE_FAILED, State.STATE_CANCELLED)
NAMES = ["", "ma cross", "ma*", "Swing [1]", "swing-2", "Ärger"]
FINGERPRINTS = ["f0", "f1", "f2"]
LIMITS = [
    Limits(),
    Limits(sorted_rows=0, window=1, seconds=0.0),
    Limits(sorted_rows=0, window=7, counted_rows=3),
    Limits(sorted_rows=20, window=3, seconds=0.0, count_seconds=0.0),
]


def record_of(number: int, rng: random.Random) -> pb.Operation:
    """Return an operation that has ended; many are alike in much."""
    record = pb.Operation(
        id=f"op{number:03}",
        state=rng.choice(ENDS),
        type=rng.choice([pb.OPERATION_TYPE_TRAINING, pb.OPERATION_TYPE_DATA_LOAD]),
        host=rng.choice(["a", "b", "gpu-1"]),
        display_name=rng.choice(NAMES),
        strategy=rng.choice(["", "momentum", "mean"]),
        notes=rng.choice(["", "", "Slow START", "see [x]*?"]),
        attempt=rng.choice([1, 1, 2, 10]),
        attached=rng.random() < 0.2,
        labels={key: rng.choice(["red", "blue", ""]) for key in ("team", "run no") if rng.random() < 0.6},
    )
    created = rng.randrange(20)
    record.create_time.FromDatetime(datetime.fromtimestamp(created, UTC))
    if rng.random() < 0.8:
        record.start_time.FromDatetime(datetime.fromtimestamp(created + rng.randrange(5), UTC))
    record.end_time.FromDatetime(datetime.fromtimestamp(created + rng.randrange(9), UTC))
    record.update_time.FromDatetime(datetime.fromtimestamp(created + rng.randrange(9), UTC))
    for kind in (VerdictKind.VERDICT_KIND_PLATEAU, VerdictKind.VERDICT_KIND_OVERFITTING):
        if rng.random() < 0.3:
            record.verdicts.add(kind=kind, active=rng.random() < 0.7)
    if record.type == pb.OPERATION_TYPE_TRAINING and rng.random() < 0.5:
        record.inputs.add().dataset.fingerprint = rng.choice(FINGERPRINTS)
    elif record.type == pb.OPERATION_TYPE_DATA_LOAD and record.state == State.STATE_COMPLETED:
        record.data_load_result.loads.add().dataset.fingerprint = rng.choice(FINGERPRINTS)
    return record


def with_lineage(records: list[pb.Operation]) -> list[pb.Operation]:
    """Name the loads that left the datasets which others read."""
    for record in records:
        for used in record.inputs:
            loads = (one for one in records for load in one.data_load_result.loads if load.dataset.fingerprint)
            used.data_operation_ids.extend(
                one.id
                for one in loads
                if used.dataset.fingerprint in {load.dataset.fingerprint for load in one.data_load_result.loads}
            )
    return records


RECORDS = with_lineage([record_of(number, random.Random(number)) for number in range(120)])
LIVE = pb.Operation(id="live", state=State.STATE_RUNNING, labels={"team": "red"}, host="a")

TIMES = st.builds(
    lambda field, sign, second: f"{field} {sign} 1970-01-01T00:00:{second:02}Z",
    st.sampled_from(["create_time", "start_time", "end_time", "update_time"]),
    st.sampled_from(["=", "!=", "<", "<=", ">", ">="]),
    st.integers(0, 30),
)
TEXTS = st.builds(
    "{} {} {}".format,
    st.sampled_from(["display_name", "strategy", "host", "notes", "labels.team", 'labels."run no"', "id"]),
    st.sampled_from(["=", "!=", "<", "<=", ">", ">=", ":"]),
    st.sampled_from(['"ma cross"', r'"ma\*"', '"Swing [1]"', "red", '""', "momentum", "gpu-1", "op007", "s", "SLOW"]),
)
LIKE = st.builds(
    "{} {} {}".format,
    st.sampled_from(["display_name", "strategy", "notes", "labels.team"]),
    st.sampled_from(["=", "!="]),
    st.sampled_from(['"ma*"', '"*[1]"', '"*w*g*"', "*", "m*m", '"see [x]**"', "Ä*"]),
)
OTHERS = st.sampled_from(
    [
        *("state = COMPLETED", "state != FAILED", "state = (FAILED OR CANCELLED)", "state:*", "state = RUNNING"),
        *("type = TRAINING", "type != DATA_LOAD", "host = a", "host != a", "attempt > 1", "attempt = 10"),
        *("verdict = PLATEAU", "verdict:overfitting", "verdict != plateau", "verdict:*", "attached = true"),
        *("labels:team", "labels.team:*"),
        *("labels.team = red OR labels.team = blue", "labels.team = red", "start_time:*", "notes:*", "display_name:*"),
        *("dataset = f1", "dataset:*", "dataset != f0", "data_operation:*", "swing", '"[x]"', "op01", "a"),
        *(f'data_operation = "{record.id}"' for record in RECORDS if record.HasField("data_load_result"))
    ]
)  # fmt: skip
FILTERS = st.recursive(
    TIMES | TEXTS | LIKE | OTHERS,
    lambda inner: st.one_of(
        st.builds("({} AND {})".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("NOT ({})".format, inner),
    ),
    max_leaves=4,
)
FIELDS = ["create_time", "start_time", "end_time", "update_time", "display_name", "state", "type", "host", "strategy"]
ORDERS = st.lists(
    st.tuples(st.sampled_from(FIELDS), st.sampled_from(["", " desc"])), max_size=3, unique_by=lambda key: key[0]
).map(lambda keys: ", ".join(f"{field}{direction}" for field, direction in keys))


async def filled(path: Path) -> None:
    store = await Store.open(path)
    states = [OperationState(record) for record in [*RECORDS, LIVE]]
    changes = Changes(
        operations=[one.row() for one in states], labels=[row for one in states for row in one.label_rows()]
    )
    for record in RECORDS:
        changes.dataset_uses += use_rows(record)
        changes.dataset_versions += version_rows(record)
    await store.write(changes)
    await store.close()


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("lists") / "store.sqlite3"
    asyncio.run(filled(path))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("SELECT count(*) FROM operations").fetchone()  # opens all of its files
        yield connection


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.just("") | FILTERS, order_text=ORDERS, page=st.integers(1, 40), limits=st.sampled_from(LIMITS))
def test_pages_are_what_memory_says(
    connection: sqlite3.Connection, text: str, order_text: str, page: int, limits: Limits
) -> None:
    expression, order = parse_filter(text), parse_order(order_text)
    wanted = [record for record in RECORDS if matches(expression, record)]
    wanted.sort(key=lambda record: order.sort_key(order.place_of(record)))
    found: list[str] = []
    after: Place | None = None
    while True:
        answer = search(connection, Question(expression, order, after, page, count=after is None, limits=limits))
        if after is None:
            assert answer.total is not None
            assert answer.total <= len(wanted) if answer.at_least else answer.total == len(wanted)
        found += [state.record.id for _, state in answer.found]
        assert all(order.place_of(state.record) == place for place, state in answer.found)
        if len(answer.found) < page and answer.reached is None:
            break
        after = answer.found[-1][0] if len(answer.found) == page else answer.reached
    assert found == [record.id for record in wanted]


@pytest.mark.parametrize("field", ["state", "type", "host"])
def test_what_is_counted_by_triggers_is_what_is_there(connection: sqlite3.Connection, field: str) -> None:
    counted: dict[object, int] = {}
    for cell in read_cells(connection, EVERYTHING, every_host=True):
        value = getattr(cell, field)
        counted[value] = counted.get(value, 0) + cell.operations
    assert counted == {value: sum(getattr(one, field) == value for one in RECORDS) for value in counted}
    assert sum(counted.values()) == len(RECORDS)


async def test_counts_follow_new_attempts_labels_verdicts_and_deletions(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "store.sqlite3")

    def total(text: str) -> int | None:
        question = Question(parse_filter(text), parse_order(""), None, 10, count=True)
        with closing(sqlite3.connect(tmp_path / "store.sqlite3")) as reader:
            answer = search(reader, question)
            assert not answer.at_least
            assert len(answer.found) == answer.total
            return answer.total

    async def write(state: OperationState) -> None:
        await store.write(Changes(operations=[state.row()], labels=list(state.label_rows())))

    state = OperationState(pb.Operation(id="one", attempt=1, state=State.STATE_RUNNING, labels={"team": "red"}))
    await write(state)
    assert total("") == total("labels.team = red") == 0
    state.end(State.STATE_FAILED, datetime.now(UTC))
    state.record.verdicts.add(kind=VerdictKind.VERDICT_KIND_PLATEAU, active=True)
    await write(state)
    assert total("") == total("labels.team = red") == total("verdict = PLATEAU") == total("state = FAILED") == 1
    await store.write(Changes(labels=[{"operation_id": "one", "key": "team", "value": "blue"}]))
    assert (total("labels.team = red"), total("labels.team = blue")) == (0, 1)
    await store.write(Changes(removed_labels=[("one", "team")]))
    assert (total("labels.team = blue"), total("labels:team"), total("NOT labels:team")) == (0, 0, 1)
    again = OperationState(pb.Operation(id="one", attempt=2, state=State.STATE_RUNNING, labels={"team": "red"}))
    await write(again)
    assert total("") == total("verdict = PLATEAU") == total("labels.team = red") == 0
    again.end(State.STATE_COMPLETED, datetime.now(UTC))
    await write(again)
    assert total("state = COMPLETED") == total("labels.team = red") == 1
    await store.write(Changes(removed_operations=["one"]))
    assert total("") == total("labels.team = red") == 0
    with closing(sqlite3.connect(tmp_path / "store.sqlite3")) as reader:
        assert reader.execute("SELECT count(*) FROM terms").fetchone() == (0,)
        assert reader.execute("SELECT count(*) FROM term_totals").fetchone() == (0,)
    await store.close()


def test_an_order_that_would_sort_too_much_is_refused(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.operations.lists.search.COUNTED", 100)
    order = parse_order("display_name, end_time desc")
    with pytest.raises(OrderError, match="one field only"):
        search(connection, Question(EVERYTHING, order, None, 10, count=True, limits=Limits(sorted_rows=10)))
