"""Histories are read from the store: several operations, attempts, journals, ranges, curves with points left out."""

import math
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.errors import ServiceError
from services.operations.changes import Changes
from services.operations.history.answer import ANSWER_BYTES
from services.operations.history.query import MetricQuery
from services.operations.schema import journals
from tests.support.metric_blocks import Point, Row, points_of_answer
from tests.support.stored_histories import StoredHistories, stored_histories

ROWS: Sequence[Row] = [{"loss": float(place), **({"val": place / 2} if place % 4 == 0 else {})} for place in range(40)]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[StoredHistories]:
    async with stored_histories(tmp_path / "store.sqlite3") as opened:
        yield opened


async def pages(world: StoredHistories, **fields: Any) -> list[pb.QueryMetricsResponse]:
    found = [await world.query(MetricQuery(**fields))]
    while token := found[-1].next_page_token:
        found.append(await world.query(MetricQuery(**fields, page_token=token)))
    return found


async def points(world: StoredHistories, **fields: Any) -> list[Point]:
    return [point for page in await pages(world, **fields) for point in points_of_answer(page)]


async def refused(world: StoredHistories, reason: "ErrorReason.ValueType", *named: str, **fields: Any) -> None:
    with pytest.raises(ServiceError) as failed:
        await world.query(MetricQuery(**fields))
    assert failed.value.reason == reason
    assert [field.field for field in failed.value.fields] == list(named)


async def test_several_operations_follow_each_other_in_the_order_asked_for(world: StoredHistories) -> None:
    for name in ("one", "two", "three"):
        operation = await world.operation(name)
        await world.write(operation, ROWS if name != "two" else [])
    for page_size in (0, 7):
        found = [
            history
            for page in await pages(world, operation_ids=["three", "two", "one"], page_size=page_size)
            for history in page.series
        ]
        names = [history.operation_id for history in found]
        assert list(dict.fromkeys(names)) == ["three", "one"]
        assert names == sorted(names, reverse=True)
        assert {history.attempt for history in found} == {1}
    whole = (await pages(world, operation_ids=["three", "one"]))[0]
    assert [(history.operation_id, history.points.name) for history in whole.series] == [
        ("three", "loss"),
        ("three", "val"),
        ("one", "loss"),
        ("one", "val"),
    ]
    assert whole.attempt == 0
    assert (await pages(world, operation_ids=["one"]))[0].attempt == 1


async def test_ranges_of_sequence_numbers_and_steps(world: StoredHistories) -> None:
    operation = await world.operation("op")
    await world.write(operation, ROWS, batch=7)
    every = world.told["op", 1]

    async def check(wanted: Any, **fields: Any) -> None:
        for page_size in (0, 5):
            found = await points(world, operation_id="op", page_size=page_size, **fields)
            assert sorted(found) == sorted(point for point in every if wanted(*point))
        thinned = await points(world, operation_id="op", max_points=1_000, **fields)
        assert sorted(thinned) == sorted(point for point in every if wanted(*point))

    await check(lambda _j, _n, seq, *_: 3 < seq < 20, after_seq=3, before_seq=20)
    await check(lambda _j, _n, _q, step, *_: step >= 2, from_step=2)
    await check(lambda _j, _n, _q, step, *_: -1 <= step <= 0, from_step=-1, to_step=0)
    await check(lambda _j, name, seq, *_: name == "val" and seq < 9, series=["val"], before_seq=9)
    await check(lambda *_: False, before_seq=0)
    await check(lambda *_: False, from_step=5, to_step=4)


async def test_journals_of_an_attempt_come_in_the_order_in_which_they_were_met(world: StoredHistories) -> None:
    operation = await world.operation("op")
    for journal in "zax":
        await world.write(operation, ROWS, journal, batch=3)
    for fields in ({}, {"page_size": 9}, {"max_points": 200}):
        found = await points(world, operation_id="op", **fields)
        assert sorted(found) == sorted(world.told["op", 1])
        assert list(dict.fromkeys(point[0] for point in found)) == ["z", "a", "x"]
    # points whose journal has no row of its own are told all the same
    await world.store.write(Changes(statements=[journals.delete().where(journals.c.incarnation == "z")]))
    found = await points(world, operation_id="op", page_size=9)
    assert sorted(found) == sorted(world.told["op", 1])


async def test_each_attempt_has_a_history_of_its_own(world: StoredHistories) -> None:
    operation = await world.operation("op")
    await world.write(operation, ROWS[:5])
    operation.record.attempt = 2
    operation.positions.next_seq.clear()
    await world.write(operation, ROWS[:9], "y")
    assert sorted(await points(world, operation_id="op")) == sorted(world.told["op", 2])
    assert sorted(await points(world, operation_id="op", attempt=1)) == sorted(world.told["op", 1])
    assert (await pages(world, operation_id="op", attempt=1))[0].series[0].attempt == 1
    await refused(world, ErrorReason.ERROR_REASON_INVALID_REQUEST, "attempt", operation_id="op", attempt=3)


async def test_whoever_reads_on_stays_with_the_attempt_when_there_is_another(world: StoredHistories) -> None:
    operation = await world.operation("op")
    await world.write(operation, ROWS)
    page = await world.query(MetricQuery("op", page_size=10))
    operation.record.attempt = 2
    rest = await world.query(MetricQuery("op", page_token=page.next_page_token))
    assert sorted([*points_of_answer(page), *points_of_answer(rest)]) == sorted(world.told["op", 1])
    assert rest.attempt == 1


async def test_curves_keep_what_matters_and_say_that_points_were_left_out(world: StoredHistories) -> None:
    operation = await world.operation("op")
    values = [math.sin(place / 30) for place in range(5_000)]
    values[1_234], values[2_345], values[3_456] = 90.0, -90.0, math.nan
    await world.write(operation, [{"loss": value, "flat": 1.0} for value in values[:4_000]], batch=500)
    await world.write(operation, [{"loss": value} for value in values[4_000:]], "y", batch=500)
    for raw_rows in (False, True):
        (page,) = await pages(world, operation_id="op", max_points=50, raw_rows=raw_rows)
        found = points_of_answer(page)
        loss = [(journal, seq, value) for journal, name, seq, _, value, _ in found if name == "loss"]
        assert len(loss) <= 50
        assert len([point for point in found if point[1] == "flat"]) <= 50
        assert {("x", 1_234, "90.0"), ("x", 2_345, "-90.0"), ("x", 3_456, "nan")} <= set(loss)
        assert [place[:2] for place in loss if place[1] in {0, 3_999}] == [("x", 0), ("x", 3_999), ("y", 0)]
        assert ("y", 999) in {place[:2] for place in loss}
        assert all(history.downsampled for history in page.series)
    (page,) = await pages(world, operation_id="op", series=["loss"], max_points=6_000)
    assert not any(history.downsampled for history in page.series)


@pytest.mark.parametrize("raw_rows", [False, True])
async def test_curves_that_do_not_fit_into_a_message_come_in_pages(world: StoredHistories, raw_rows: bool) -> None:
    names = [f"s{number:02}" for number in range(20)]
    for operation_id in ("one", "two"):
        operation = await world.operation(operation_id)
        rows: list[Row] = [dict.fromkeys(names, float(place)) for place in range(12_000)]
        await world.write(operation, rows, batch=4_000)
    found = await pages(world, operation_ids=["one", "two"], max_points=11_000, raw_rows=raw_rows)
    assert len(found) > 1
    assert all(page.ByteSize() < ANSWER_BYTES * 1.01 for page in found)
    curves: list[tuple[str, str]] = []
    for page in found:
        for history in page.series:
            assert history.downsampled
            curves += [(history.operation_id, name) for name in history.rows.names or [history.points.name]]
    expected = sorted((operation_id, name) for operation_id in ("one", "two") for name in names)
    assert sorted(set(curves)) == expected
    assert raw_rows or curves == expected


async def test_points_of_an_operation_that_has_ended(world: StoredHistories) -> None:
    operation = await world.operation("op")
    await world.write(operation, ROWS)
    await world.end(operation)
    assert sorted(await points(world, operation_id="op", page_size=3)) == sorted(world.told["op", 1])


async def test_what_makes_no_sense_is_refused(world: StoredHistories) -> None:
    operation = await world.operation("op")
    await world.write(operation, ROWS)
    bad = ErrorReason.ERROR_REASON_INVALID_REQUEST
    await refused(world, bad, "operation_ids", operation_id="op", operation_ids=["op"])
    await refused(world, bad, "operation_ids", operation_ids=["op", "op"])
    await refused(world, bad, "operation_ids", operation_ids=[f"op{number}" for number in range(101)])
    await refused(world, bad, "page_size", operation_id="op", page_size=-1)
    await refused(world, bad, "max_points", operation_id="op", page_size=5, max_points=5)
    unknown = ErrorReason.ERROR_REASON_OPERATION_NOT_FOUND
    await refused(world, unknown, operation_id="nobody")
    await refused(world, unknown, operation_ids=["op", "nobody"])
    invalid = ErrorReason.ERROR_REASON_PAGE_TOKEN_INVALID
    token = (await world.query(MetricQuery("op", page_size=5))).next_page_token
    assert token
    for fields in ({"series": ["loss"]}, {"after_seq": 1}, {"max_points": 5}, {"from_step": 0}, {"before_seq": 99}):
        await refused(world, invalid, operation_id="op", page_token=token, **fields)
    await refused(world, invalid, operation_id="op", page_token="garbage")
