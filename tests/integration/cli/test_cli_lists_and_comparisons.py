"""`ktrdr ops list`, `compare`, `metrics` of several and `watch` as processes against a served registry."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ktrdr.host.v1.metrics_pb2 import MetricSeries
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1.trends_pb2 import SEVERITY_INFO, SEVERITY_WARNING, Verdict, VerdictKind

from tests.support.eventually import eventually
from tests.support.finished_operations import completed, history, running_training
from tests.support.ktrdr_command import Ktrdr, ended
from tests.support.simulated_operations import SimulatedRegistry, simulated_operations

FIRST, SECOND, THIRD = "aa0000000000", "ab0000000000", "cc0000000000"
Served = tuple[SimulatedRegistry, Ktrdr]


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with simulated_operations() as (registry, address):
        yield registry, Ktrdr(address, tmp_path)


@pytest.fixture
async def filled(served: Served) -> Served:
    registry, _ = served
    for index, (operation_id, name) in enumerate([(FIRST, "wide"), (SECOND, "narrow"), (THIRD, "deep")]):
        operation = running_training(operation_id, name)
        operation.training.strategy = f"name: {name}\nmodel: {{type: mlp, architecture: {{dropout: 0.{index}}}}}\n"
        operation.training.overrides["training.epochs"] = str(20 + index)
        await registry.put(operation)
        registry.history[operation_id] = [
            history("train_loss", [0.9, 0.7, 0.6]),
            history("val_loss", [1.0, 0.75 - index / 4, 0.9]),
        ]
    await registry.put(completed(registry.operations[SECOND]))
    return served


async def test_the_service_orders_lists_and_counts_them(filled: Served) -> None:
    registry, ktrdr = filled
    by_name, first_page, document = await asyncio.gather(
        ktrdr("ops", "list", "--order-by", "name desc", "-o", "jsonl"),
        ktrdr("ops", "list", "--limit", "2", "--order-by", "name", "--filter", "type = TRAINING"),
        ktrdr("ops", "list", "--limit", "1", "-o", "json"),
    )
    assert [json.loads(line)["display_name"] for line in by_name.out.splitlines()] == ["wide", "narrow", "deep"]
    orders = {request.order_by for request in registry.requests if isinstance(request, pb.ListOperationsRequest)}
    assert "display_name desc" in orders
    assert "2 of 3 operations; go on with:" in first_page.err
    assert "ktrdr ops list --filter 'type = TRAINING' --order-by name --limit 2 --page-token 2" in first_page.err
    page = json.loads(document.out)
    assert (page["total_size"], page["total_size_is_lower_bound"]) == (3, False)
    assert page["revision"] == registry.revision


async def test_a_list_marks_what_should_be_looked_at(served: Served) -> None:
    registry, ktrdr = served
    operation = running_training(FIRST)
    operation.attempt = 2
    for kind, severity, active in (
        (VerdictKind.VERDICT_KIND_OVERFITTING, SEVERITY_WARNING, True),
        (VerdictKind.VERDICT_KIND_PLATEAU, SEVERITY_WARNING, False),
        (VerdictKind.VERDICT_KIND_BEST_EPOCH, SEVERITY_INFO, True),
    ):
        operation.verdicts.append(Verdict(kind=kind, severity=severity, active=active))
    await registry.put(operation)
    listed = await ktrdr("ops", "list")
    assert listed.out.splitlines()[1].endswith("overfitting · train 50 %, epoch 2/4 · attempt 2")


async def test_operations_are_compared_in_a_table(filled: Served) -> None:
    _, ktrdr = filled
    table, chosen = await asyncio.gather(
        ktrdr("ops", "compare", FIRST, SECOND, THIRD),
        ktrdr("ops", "compare", FIRST, "cc", "--series", "train_loss,val_loss"),
    )
    runs, losses = (part.splitlines() for part in table.out.split("\n\n"))
    assert runs[0].split() == ["ID", "NAME", "STATE", "TIME", "TEST", "ACC"]
    assert [row.split()[:3] for row in runs[1:]] == [
        [FIRST, "wide", "RUNNING"],
        [SECOND, "narrow", "COMPLETED"],
        [THIRD, "deep", "RUNNING"],
    ]
    assert runs[2].endswith("47.1 %")
    assert losses[0].split() == ["ID", "BEST", "VAL_LOSS", "LAST"]
    assert [row.split() for row in losses[1:]] == [
        [FIRST, "0.7500", "at", "2", "0.9000"],
        [SECOND, "0.5000", "at", "2", "0.9000"],
        [THIRD, "*", "0.2500", "at", "2", "0.9000"],
    ]
    assert "BEST TRAIN_LOSS" in chosen.out
    assert "BEST VAL_LOSS" in chosen.out


async def test_a_comparison_tells_what_was_asked_for_differently(filled: Served) -> None:
    _, ktrdr = filled
    table, document, rows = await asyncio.gather(
        ktrdr("ops", "compare", FIRST, SECOND, "--diff-spec"),
        ktrdr("ops", "compare", FIRST, SECOND, "--diff-spec", "-o", "json"),
        ktrdr("ops", "compare", FIRST, SECOND, "--diff-spec", "-o", "jsonl"),
    )
    lines = [line.split() for line in table.out.split("\n\n")[2].splitlines()]
    assert lines == [
        ["KEY", "wide", "narrow"],
        ["name", "wide", "narrow"],
        ["model.architecture.dropout", "0.0", "0.1"],
        ["training.epochs", "20", "21"],
    ]
    comparison = json.loads(document.out)
    assert comparison["differences"]["training.epochs"] == {FIRST: "20", SECOND: "21"}
    assert comparison["operations"][1]["series"]["val_loss"] == {"last": 0.9, "best": 0.5, "best_step": 2}
    assert [json.loads(line)["spec"]["training.epochs"] for line in rows.out.splitlines()] == ["20", "21"]


async def test_curves_are_drawn_in_one_picture(filled: Served) -> None:
    _, ktrdr = filled
    outcome = await ktrdr("ops", "compare", FIRST, SECOND, "--plot")
    assert outcome.code == 0
    picture = outcome.out.split("val_loss\n", 1)[1]
    assert "wide" in picture
    assert "narrow" in picture


async def test_comparisons_that_cannot_be_made_say_why(filled: Served) -> None:
    _, ktrdr = filled
    alone, twice, unknown = await asyncio.gather(
        ktrdr("ops", "compare", FIRST),
        ktrdr("ops", "compare", FIRST, FIRST),
        ktrdr("ops", "compare", FIRST, SECOND, "--series", "nonsense"),
    )
    assert (alone.code, twice.code, unknown.code) == (2, 2, 1)
    assert "two operations or more" in alone.err
    assert "none of them has a series nonsense" in unknown.err


async def test_metrics_of_several_come_in_one_call(filled: Served) -> None:
    registry, ktrdr = filled
    document, rows, table = await asyncio.gather(
        ktrdr("ops", "metrics", FIRST, SECOND, "-o", "json"),
        ktrdr("ops", "metrics", FIRST, SECOND, "-o", "csv", "--series", "val_loss"),
        ktrdr("ops", "metrics", FIRST, SECOND),
    )
    assert [each["operation_id"] for each in json.loads(document.out)["operations"]] == [FIRST, SECOND]
    assert {row["operation_id"] for row in csv.DictReader(io.StringIO(rows.out))} == {FIRST, SECOND}
    assert f"narrow ({SECOND})" in table.out
    queries = [request for request in registry.requests if isinstance(request, pb.QueryMetricsRequest)]
    assert [list(query.operation_ids) for query in queries] == [[FIRST, SECOND]] * 3


async def test_a_watch_tells_what_leaves_and_what_is_deleted(filled: Served) -> None:
    registry, ktrdr = filled
    lines = await ktrdr.start("ops", "watch", "--filter", "state = RUNNING")
    records = await ktrdr.start("ops", "watch", "-o", "jsonl", "--filter", "state = RUNNING")
    await eventually(lambda: registry.open_watches == 2)
    await registry.put(completed(registry.operations[FIRST]))
    await registry.delete(THIRD)
    assert records.stdout is not None
    assert lines.stdout is not None
    told = [json.loads(await records.stdout.readline()) for _ in range(4)]
    assert {each["id"] for each in told[:2]} == {FIRST, THIRD}
    assert {"id": FIRST, "left_filter": True} in [
        {key: each.get(key) for key in ("id", "left_filter")} for each in told
    ]
    assert {"id": THIRD, "deleted": True} in [{key: each.get(key) for key in ("id", "deleted")} for each in told]
    printed = [(await lines.stdout.readline()).decode() for _ in range(4)]
    assert f"{FIRST}  does not match the filter any more\n" in printed
    assert f"{THIRD}  was deleted\n" in printed
    for process in (lines, records):
        process.terminate()
        await process.wait()


async def test_a_watch_with_metrics_prints_each_point(served: Served) -> None:
    registry, ktrdr = served
    await registry.put(running_training(FIRST))
    lines = await ktrdr.start("ops", "watch", "--metrics")
    records = await ktrdr.start("ops", "watch", FIRST, "--metrics", "-o", "jsonl")
    await eventually(lambda: registry.open_watches == 2)
    series = [
        MetricSeries(name=name, first_seq=7, steps=[3], times=[10**18], values=[value])
        for name, value in (("loss", 0.25), ("acc", 0.5))
    ]
    await registry.add_points(pb.OperationMetrics(operation_id=FIRST, attempt=1, incarnation="i", series=series))
    assert lines.stdout is not None
    await lines.stdout.readline()
    assert (await lines.stdout.readline()).decode() == f"{FIRST}  step 3  loss=0.2500 acc=0.5000\n"
    await registry.put(completed(registry.operations[FIRST]))
    outcome = await ended(records)
    assert outcome.code == 0
    told = [json.loads(line) for line in outcome.out.splitlines()]
    assert [(each["series"], each["seq"], each["value"]) for each in told[1:3]] == [("loss", 7, 0.25), ("acc", 7, 0.5)]
    assert told[-1]["state"] == "STATE_COMPLETED"
    lines.terminate()
    await lines.wait()


@pytest.mark.parametrize("words", [("wait", FIRST), ("watch", FIRST, "-o", "jsonl")])
async def test_following_ends_when_the_operation_is_deleted(served: Served, words: tuple[str, ...]) -> None:
    registry, ktrdr = served
    await registry.put(running_training(FIRST))
    process = await ktrdr.start("ops", *words)
    await eventually(lambda: registry.open_watches == 1)
    await registry.delete(FIRST)
    outcome = await ended(process)
    assert outcome.code == 1
    assert "was deleted meanwhile" in outcome.err
