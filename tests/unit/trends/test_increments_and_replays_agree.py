"""However points come, and wherever a look, a copy or a restart falls: the rules find what they find in the whole."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.host.v1.metrics_pb2 import MetricSeries
from ktrdr.operations.v1.trends_pb2 import VerdictKind

from services.operations.blocks import build_series, pack, unpack
from services.operations.store_reader import StoredBlock
from services.operations.trends.attempt_trends import AttemptTrends
from services.operations.trends.replay import replay
from services.operations.trends.rows import Row, rows_of
from services.operations.trends.series_names import DEFAULT_NAMES
from services.operations.trends.thresholds import Thresholds
from tests.support.trend_rows import row

QUICK = Thresholds(
    plateau_epochs=3,
    overfitting_epochs=2,
    divergence_steps=3,
    no_learning_epochs=4,
    stalled_gaps=2.0,
    stalled_seconds=2.0,
    throughput_epochs=2,
)
NAMES = ("train_loss", "val_loss", "val_accuracy", "batch_loss", "loss", "odd_loss", "learning_rate", "fold")
SEVERAL_VALUES = st.sampled_from([0.1, 0.2, 0.5, 0.5, 0.6, 0.7, 0.9, 1.0, 2.0, 8.0, math.nan, math.inf, -1.0])
VALUES = st.one_of(SEVERAL_VALUES, st.floats(-10, 10, width=32))
ROWS = st.tuples(
    st.integers(-2, 3),  # how far the step goes on
    st.sampled_from([0.1, 1.0, 1.0, 1.0, 2.0, 5.0, 60.0, -1.0]),  # seconds since the row before
    st.integers(1, 3),  # how far the sequence number goes on: rows that were thinned out leave gaps
    st.dictionaries(st.sampled_from(NAMES), VALUES, min_size=1, max_size=4),
)

Drawn = list[tuple[int, float, int, dict[str, float]]]
TYPICAL: tuple[Drawn, ...] = (
    [],
    [(1, 1.0, 1, {"train_loss": 1 / epoch, "val_loss": abs(epoch - 8) / 8 + 0.2}) for epoch in range(1, 30)],
    [(1, 1.0 if epoch < 12 else 3.0, 1, {"train_loss": 1 / epoch}) for epoch in range(1, 20)],
    [(1, 0.1, 1, {"batch_loss": 1.0 if number < 60 else 9.0}) for number in range(100)],
    [(1, 1.0, 1, {"train_loss": 0.7, "val_accuracy": 0.5}) for _ in range(15)],
    [(1, 1.0, 1, {"train_loss": 0.7, "val_loss": 0.5 + epoch // 8, "fold": epoch // 8}) for epoch in range(24)],
)
JOURNALS = st.builds(lambda typical, rows: [*typical, *rows], st.sampled_from(TYPICAL), st.lists(ROWS, max_size=40))


@dataclass(frozen=True)
class Batch:
    """Points as they come in one answer."""

    incarnation: str
    series: list[MetricSeries]


def history(drawn: Drawn, start: int) -> list[Row]:
    """Return the rows of one journal."""
    rows, seq, step, time_ns = [], 0, 0, 1_700_000_000_000_000_000 + start
    for further, seconds, seqs, values in drawn:
        seq, step, time_ns = seq + seqs, max(0, step + further), time_ns + round(seconds * 1e9)
        rows.append(row(seq, step, time_ns, values))
    return rows


def batch(incarnation: str, rows: Sequence[Row]) -> Batch:
    """Return rows as packed columns."""
    columns: dict[str, list[tuple[Row, float]]] = {}
    for each in rows:
        for name, value in zip(each.names, each.values, strict=True):
            columns.setdefault(name, []).append((each, value))
    series = [
        build_series(
            name,
            [each.seq for each, _ in column],
            [each.step for each, _ in column],
            [value for _, value in column],
            [each.time_ns for each, _ in column],
        )
        for name, column in columns.items()
    ]
    return Batch(incarnation, series)


class Blocks:
    """A store with one block for each batch."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        order = list(dict.fromkeys(each.incarnation for each in batches))
        self._blocks = [
            StoredBlock(order.index(each.incarnation), each.incarnation, pack(each.series)) for each in batches
        ]

    async def blocks(
        self,
        operation_id: str,  # noqa: ARG002 - there is one, here and below
        attempt: int,  # noqa: ARG002
        *,
        start: tuple[int, int],
        above_seq: int,  # noqa: ARG002
        limit: int,
    ) -> list[StoredBlock]:
        found = [block for block in self._blocks if (block.ordinal, last_seq(block)) >= start]
        return found[:limit]


def last_seq(block: StoredBlock) -> int:
    return max(each.seq for each in rows_of(unpack(block.data)))


def cut(rows: Sequence[Row], sizes: Sequence[int]) -> list[Sequence[Row]]:
    """Cut rows into parts of these sizes, the last ones of one row."""
    parts, place = [], 0
    sizes = list(sizes)
    while place < len(rows):
        size = sizes.pop(0) if sizes else 1
        parts.append(rows[place : place + size])
        place += size
    return parts


@settings(max_examples=100, deadline=None)
@given(
    first=JOURNALS,
    second=st.lists(ROWS, max_size=15),
    sizes=st.lists(st.integers(1, 12), max_size=20),
    other_sizes=st.lists(st.integers(1, 40), max_size=6),
    copies=st.sets(st.integers(0, 30), max_size=4),
    again=st.sets(st.integers(0, 30), max_size=4),
    idle=st.sampled_from([0.0, 1.0, 5.0, 1000.0]),
)
async def test_they_agree(
    first: Drawn,
    second: Drawn,
    sizes: list[int],
    other_sizes: list[int],
    copies: set[int],
    again: set[int],
    idle: float,
) -> None:
    journals = {"a": history(first, 0), "b": history(second, 10**15)}
    at_once = AttemptTrends(QUICK, DEFAULT_NAMES)
    for incarnation, rows in journals.items():
        at_once.take(incarnation, rows)

    growing = AttemptTrends(QUICK, DEFAULT_NAMES)
    batches = [batch(name, part) for name, rows in journals.items() for part in cut(rows, sizes)]
    for number, each in enumerate(batches):
        rows = rows_of(each.series, growing.next_seq(each.incarnation))
        growing.take(each.incarnation, rows)
        if number in again:
            growing.take(each.incarnation, rows_of(each.series))  # what comes twice counts once
        if number in copies:
            growing = growing.copy()
        growing.marks(idle)  # looking changes nothing
        growing.verdicts(idle)

    replayed = AttemptTrends(QUICK, DEFAULT_NAMES)
    merged = [batch(name, part) for name, rows in journals.items() for part in cut(rows, other_sizes)]
    await replay(Blocks(merged), "operation", 1, replayed)

    expected = at_once.verdicts(idle)
    assert growing.verdicts(idle) == expected
    assert replayed.verdicts(idle) == expected
    assert growing.points == replayed.points == at_once.points
    assert growing.marks(idle) == tuple(sorted((v.kind, v.series, v.active, v.severity) for v in expected))


def test_the_examples_reach_every_rule() -> None:
    """What the property says of rules that find nothing would be worth nothing."""
    found: set[int] = set()

    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(JOURNALS)
    def collect(drawn: Drawn) -> None:
        trends = AttemptTrends(QUICK, DEFAULT_NAMES)
        trends.take("a", history(drawn, 0))
        found.update(verdict.kind for verdict in trends.verdicts())

    collect()
    assert found == set(VerdictKind.values()) - {VerdictKind.VERDICT_KIND_UNSPECIFIED}
