"""Real trainings that show each trend, through a real host and registry; and what stops them."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr.operations.v1 import trends_pb2 as trends
from ktrdr.operations.v1.trends_pb2 import VerdictKind

from tests.support.eventually import eventually
from tests.support.ktrdr_command import Ktrdr
from tests.support.recorded_bars import write_recorded_bars
from tests.support.registry_server import ENDED, RegistryServer, State, registry_server
from tests.support.training_service import local_spec, served_training_host
from tests.support.trainings import REFERENCE
from tests.support.trend_world import by_kind

ROOT = Path(__file__).parents[3]
THRESHOLDS = {"stalled_seconds": 1.0, "stalled_gaps": 3.0}
BY_TIME = {"STALLED", "THROUGHPUT_DROP"}
"""Kinds that a busy machine can bring about in any loop."""


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[RegistryServer]:
    async with (
        served_training_host(tmp_path / "home", slots=2, ib_host="127.0.0.1:1") as calls,
        registry_server(
            tmp_path / "registry",
            f"gpu={calls.address}",
            trend_interval_seconds=0.1,
            trends=THRESHOLDS,
        ) as registry,
    ):
        yield registry


async def run_loops(home: Path, *names: str) -> dict[str, dict[str, Any]]:
    """Run loops in a process of their own, and return what they know of themselves."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", str(ROOT / "tests" / "support" / "trend_loops.py"), *names,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "KTRDR_HOME": str(home), "PYTHONPATH": str(ROOT / "clients")},
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 0
    return {line["name"]: line for line in map(json.loads, out.decode().splitlines())}


async def named(registry: RegistryServer, name: str, *, ended: bool = True) -> pb.Operation:
    """Wait until the operation of this name is there, and has ended."""

    async def probe() -> pb.Operation | None:
        found = next((each for each in await registry.all() if each.display_name == name), None)
        return found if found is not None and (found.state in ENDED or not ended) else None

    operation = await eventually(probe, timeout_seconds=150)
    assert operation is not None
    return operation


async def completed(registry: RegistryServer, operation_id: str) -> pb.Operation:
    """Wait until a training has come to its end, which takes its time on a busy machine."""

    async def probe() -> pb.Operation | None:
        found = await registry.get(operation_id)
        assert found.state not in {State.STATE_FAILED, State.STATE_CANCELLED}, found.error
        return found if found.state == State.STATE_COMPLETED else None

    operation = await eventually(probe, timeout_seconds=150)
    assert operation is not None
    return operation


async def diagnosed(registry: RegistryServer, operation: pb.Operation) -> pb.DiagnoseOperationResponse:
    """Run the rules over the whole history."""
    request = pb.DiagnoseOperationRequest(operation_id=operation.id)
    return await registry.stub.DiagnoseOperation(request, timeout=60)


async def test_each_trend_in_a_loop_of_ones_own(registry: RegistryServer, tmp_path: Path) -> None:
    names = (
        "overfitting", "divergence", "not_finite", "no_learning", "plateau", "healthy", "throughput_drop",
    )  # fmt: skip
    known = await run_loops(tmp_path / "home", *names)
    found = {name: await named(registry, name) for name in names}
    shown = {
        name: {kind for kind, verdict in by_kind(operation).items() if verdict.active and kind != "BEST_EPOCH"}
        for name, operation in found.items()
    }
    kinds = {name: each - BY_TIME for name, each in shown.items()}
    assert kinds["healthy"] == set()
    assert kinds["plateau"] == {"PLATEAU"}
    assert kinds["overfitting"] == {"OVERFITTING", "PLATEAU"}
    assert "DIVERGENCE" in kinds["divergence"]
    assert "NOT_FINITE" not in kinds["divergence"]
    assert "NOT_FINITE" in kinds["not_finite"]
    assert kinds["no_learning"] == {"NO_LEARNING", "PLATEAU"}
    assert kinds["throughput_drop"] == set()
    assert "THROUGHPUT_DROP" in shown["throughput_drop"]
    for name, operation in found.items():
        best = by_kind(operation)["BEST_EPOCH"]
        assert (best.figures["best_step"], best.figures["best"]) == (known[name]["best_epoch"], known[name]["best"])
        again = await diagnosed(registry, operation)
        assert list(again.verdicts) == list(operation.verdicts), name
        assert again.points == operation.metric_points


async def test_a_loop_that_hangs_is_stalled_until_it_goes_on(registry: RegistryServer, tmp_path: Path) -> None:
    loop = asyncio.create_task(run_loops(tmp_path / "home", "stalled"))
    operation = await named(registry, "stalled", ended=False)

    async def stalled() -> bool:
        verdict = by_kind(await registry.get(operation.id)).get("STALLED")
        return verdict is not None and verdict.active and verdict.from_step >= 10

    await eventually(stalled)
    await registry.stub.CancelOperation(pb.CancelOperationRequest(operation_id=operation.id), timeout=60)
    await loop
    ended = await registry.state_reached(operation.id, State.STATE_CANCELLED)
    verdict = by_kind(ended)["STALLED"]
    assert (verdict.from_step, verdict.figures["seconds"] if not verdict.active else 2) >= (10, 1)
    assert list((await diagnosed(registry, ended)).verdicts) == list(ended.verdicts)


async def test_the_best_epoch_is_the_trainers_own(registry: RegistryServer, tmp_path: Path) -> None:
    bars = write_recorded_bars("AAPL", tmp_path / "AAPL.csv")
    spec = local_spec(bars, training__epochs="25", training__early_stopping__patience="25")
    operation = await registry.create(training=spec)
    ended = await completed(registry, operation.id)
    best = by_kind(ended)["BEST_EPOCH"]
    result = ended.training_result
    assert (best.series, best.figures["best_step"]) == ("val_loss", result.best_epoch)
    assert best.figures["best"] == result.best_validation_loss
    assert best.to_step == result.epochs
    assert list((await diagnosed(registry, ended)).verdicts) == list(ended.verdicts)


async def test_a_training_is_stopped_on_a_verdict(registry: RegistryServer, tmp_path: Path) -> None:
    bars = write_recorded_bars("AAPL", tmp_path / "AAPL.csv")
    ktrdr = Ktrdr(registry.address, tmp_path)
    words = ["--set", "training.epochs=5000", "--set", "training.early_stopping.patience=5000"]
    trained = await ktrdr("train", str(REFERENCE), "--bars", str(bars), *words, "--stop-on", "nan,plateau")
    assert trained.code == 4, trained.err
    (ended,) = await registry.all()
    assert ended.state == State.STATE_CANCELLED
    assert ended.cancel_reason.startswith("stopped on PLATEAU of val_loss: ")
    assert list(ended.stop_on) == [trends.VERDICT_KIND_PLATEAU, trends.VERDICT_KIND_NOT_FINITE]
    assert "PLATEAU" in by_kind(ended)  # the epochs until the stop may have brought something after all

    shown = await ktrdr("ops", "get", ended.id)
    assert "plateau (val_loss): " in shown.out
    assert "stops on       plateau, nan" in shown.out
    table = await ktrdr("ops", "diagnose", ended.id, "--rules")
    assert table.code == 0, table.err
    assert "no improvement of val_loss by 0.1 % in 10 epochs" in table.out
    other = await ktrdr("--output", "json", "ops", "diagnose", ended.id, "--set", "plateau_epochs=4000")
    answer = json.loads(other.out)
    assert answer["thresholds"]["plateau_epochs"] == 4000
    assert "VERDICT_KIND_PLATEAU" not in {each["kind"] for each in answer["verdicts"]}
    rows = await ktrdr("--output", "csv", "ops", "diagnose", ended.id, "--kind", "best-epoch")
    assert rows.out.splitlines()[0].startswith("operation_id,attempt,kind")
    refused = await ktrdr("ops", "diagnose", ended.id, "--set", "plateau=1")
    assert refused.code in {1, 2}
    assert "plateau_epochs" in refused.err


async def test_words_that_mean_no_verdict(registry: RegistryServer, tmp_path: Path) -> None:
    ktrdr = Ktrdr(registry.address, tmp_path)
    wrong = await ktrdr("train", str(REFERENCE), "--stop-on", "nan,overfit")
    assert (wrong.code, "choose from" in wrong.err) == (2, True)
    every = await ktrdr("train", str(REFERENCE), "--stop-on", "best_epoch")
    assert (every.code, "every training has a best epoch" in every.err) == (2, True)
    number = await ktrdr("ops", "diagnose", "last", "--set", "plateau_epochs=many")
    assert (number.code, "is no number" in number.err) == (2, True)


def test_every_kind_has_its_training() -> None:
    """The trends of the real loops above are all that there are."""
    shown = {"BEST_EPOCH", "PLATEAU", "OVERFITTING", "DIVERGENCE", "NOT_FINITE", "NO_LEARNING", "STALLED"}
    every = {VerdictKind.Name(kind).removeprefix("VERDICT_KIND_") for kind in VerdictKind.values() if kind}
    assert shown | {"THROUGHPUT_DROP"} == every
