"""Metrics as columns and as a DataFrame."""

import math
from collections.abc import AsyncIterator

import pytest
from ktrdr_client import AsyncClient
from ktrdr_client.metrics import to_pandas

from tests.support.finished_operations import history, running_training
from tests.support.simulated_operations import SimulatedRegistry, simulated_operations

ID = "op0000000000"


@pytest.fixture
async def served() -> AsyncIterator[tuple[SimulatedRegistry, AsyncClient]]:
    async with simulated_operations() as (registry, address), AsyncClient(address) as client:
        await registry.put(running_training(ID))
        yield registry, client


async def test_pages_become_columns_with_each_point_once(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    registry.metrics_page = 2
    registry.history[ID] = [
        history("train_loss", [0.9, 0.8]),
        history("val_loss", [1.0, math.nan]),
        history("train_loss", [0.8, 0.7], first_seq=1),
        history("train_loss", [0.6], first_seq=3),
    ]
    metrics = await client.metrics(ID)
    assert list(metrics) == ["train_loss", "val_loss"]
    assert list(metrics["train_loss"].values) == [0.9, 0.8, 0.7, 0.6]
    assert list(metrics["train_loss"].seqs) == [0, 1, 2, 3]
    assert list(metrics["train_loss"].steps) == [1, 2, 3, 4]
    assert math.isnan(metrics["val_loss"].values[1])
    assert metrics.attempt == 1
    assert all(moment.tzinfo is not None for moment in metrics["train_loss"].times)


async def test_points_of_two_journals_are_not_one(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    registry.history[ID] = [history("rows", [1.0]), history("rows", [2.0], incarnation="b" * 32)]
    assert list((await client.metrics(ID))["rows"].values) == [1.0, 2.0]


async def test_only_the_series_that_are_asked_for(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    registry.history[ID] = [history("train_loss", [0.9]), history("val_loss", [1.0])]
    assert list(await client.metrics(ID, series=["val_loss"])) == ["val_loss"]


async def test_a_frame_has_a_row_for_each_event(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    registry.history[ID] = [
        history("train_loss", [0.9, 0.8]),
        history("val_loss", [1.0, 0.95]),
        history("batch_loss", [0.5], first_seq=2),
    ]
    frame = (await client.metrics(ID)).to_pandas()
    assert list(frame.columns) == ["step", "time", "train_loss", "val_loss", "batch_loss"]
    assert list(frame.index) == [0, 1, 2]
    assert list(frame["step"]) == [1, 2, 3]
    assert frame["val_loss"].tolist()[:2] == [1.0, 0.95]
    assert frame["batch_loss"].notna().tolist() == [False, False, True]
    assert str(frame["time"].dt.tz) == "UTC"


async def test_an_operation_without_metrics_has_an_empty_frame(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    _, client = served
    metrics = await client.metrics(ID)
    assert not metrics
    assert list(metrics.to_pandas().columns) == ["step", "time"]


async def test_two_journals_have_rows_of_their_own_in_a_frame(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    registry.history[ID] = [
        history("rows", [1.0, 2.0]),
        history("gaps", [0.0]),
        history("rows", [3.0], incarnation="b" * 32),
        history("gaps", [1.0], incarnation="b" * 32),
    ]
    metrics = await client.metrics(ID)
    assert list(metrics["rows"].journals) == [0, 0, 1]
    frame = metrics.to_pandas()
    assert list(frame.index) == [(0, 0), (0, 1), (1, 0)]
    assert frame["rows"].tolist() == [1.0, 2.0, 3.0]
    assert frame["gaps"].isna().tolist() == [False, True, False]


async def test_a_series_is_an_array_of_records(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    registry.history[ID] = [history("train_loss", [0.9, math.nan], first_seq=5)]
    metrics = await client.metrics(ID)
    records = metrics.to_numpy()["train_loss"]
    assert records["seq"].tolist() == [5, 6]
    assert records["step"].tolist() == list(metrics["train_loss"].steps)
    assert records["value"].tolist()[0] == 0.9
    assert str(records["time"].dtype) == "datetime64[ns]"
    assert records["time"].astype("int64").tolist() == list(metrics["train_loss"].times_ns)


async def test_several_operations_are_one_frame_of_points(served: tuple[SimulatedRegistry, AsyncClient]) -> None:
    registry, client = served
    await registry.put(running_training("op0000000001"))
    registry.history[ID] = [history("train_loss", [0.9, 0.8])]
    registry.history["op0000000001"] = [history("train_loss", [0.7])]
    compared = await client.compare_metrics(["op0000000001", ID])
    frame = to_pandas(compared.values())
    assert frame["operation_id"].tolist() == ["op0000000001", ID, ID]
    assert frame["value"].tolist() == [0.7, 0.9, 0.8]
    assert list(frame.columns) == ["operation_id", "attempt", "series", "journal", "seq", "step", "time", "value"]
    assert to_pandas([]).empty
