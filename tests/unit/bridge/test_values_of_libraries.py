"""Values as NumPy and PyTorch hand them over, and names that appear at any time."""

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ktrdr_bridge import Bridge, JournalReader

NUMPY_TYPES: list[Any] = [
    np.bool_,
    *(np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64),
    *(np.float16, np.float32, np.float64, np.longdouble),
]
TORCH_TYPES = [
    torch.bool,
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
]
Report = Callable[[Bridge, dict[str, Any]], None]
REPORTS: list[Report] = [
    lambda bridge, metrics: bridge.on_batch(1, 2, metrics),
    lambda bridge, metrics: bridge.on_epoch(1, metrics),
    lambda bridge, metrics: bridge.on_rows(1, rows=2, metrics=metrics),
]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def values(journal: Path) -> dict[str, list[float]]:
    reader = JournalReader(journal)
    found = reader.read(max_points=10**7)
    reader.close()
    assert found.damage == ""
    return {series.name: list(series.values) for series in found.series}


@pytest.mark.parametrize("report", REPORTS, ids=["batch", "epoch", "rows"])
def test_scalars_of_every_type_are_kept_as_their_value(journal: Path, report: Report) -> None:
    scalars: dict[str, Any] = {f"numpy {kind.__name__}": kind(1) for kind in NUMPY_TYPES}
    scalars |= {f"numpy array {kind.__name__}": np.array(1, dtype=kind) for kind in NUMPY_TYPES}
    scalars |= {f"torch {kind}": torch.tensor(1, dtype=kind) for kind in TORCH_TYPES}
    scalars |= {"decimal": Decimal(1), "fraction": Fraction(1), "bool": True, "integer": 1}
    with Bridge.create(journal) as bridge:
        for _ in range(3):  # the first goes the general way, the others the compiled one where there is one
            report(bridge, scalars)
    assert values(journal) == {name: [1.0] * 3 for name in scalars}


def test_a_loss_that_is_part_of_a_graph_is_kept(journal: Path) -> None:
    weights = torch.ones(3, requires_grad=True)
    with Bridge.create(journal) as bridge:
        for step in range(1, 4):
            loss = (weights * step).sum()
            loss.backward()  # type: ignore[no-untyped-call]  # PyTorch's own signature
            bridge.on_batch(step, 3, {"loss": loss, "mean": loss.detach() / 3})  # type: ignore[dict-item]  # 0-d tensors
    assert values(journal) == {"loss": [3.0, 6.0, 9.0], "mean": [1.0, 2.0, 3.0]}


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, -0.0])
def test_what_is_not_finite_or_hardly_a_number_is_kept_to_the_bit(journal: Path, number: float) -> None:
    metrics: dict[str, Any] = {
        "python": number,
        "numpy": np.float64(number),
        "torch": torch.tensor(number, dtype=torch.float64),
        "numpy array": np.array(number),
    }
    with Bridge.create(journal) as bridge:
        for _ in range(3):
            bridge.on_batch(1, 2, metrics)
    for found in values(journal).values():
        assert [value.hex() for value in found] == [number.hex()] * 3


@pytest.mark.parametrize(
    "value",
    [
        torch.ones(3),
        torch.ones(2, 2),
        np.ones(3),
        np.ones((2, 2)),
        np.datetime64("2026-01-02"),
        "1.5",
        b"1",
        None,
        [1.0],
        1j,
        object(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_number_is_refused_by_name_and_leaves_no_trace(journal: Path, value: Any) -> None:
    with Bridge.create(journal) as bridge:
        for report in REPORTS:
            with pytest.raises(TypeError, match="'odd' must be a number or a 0-d tensor"):
                report(bridge, {"odd": value, "even": 2.0})
        for _ in range(3):
            bridge.on_batch(1, 2, {"odd": 1.0, "even": 2.0})
        for report in REPORTS:
            with pytest.raises(TypeError, match="'odd' must be a number or a 0-d tensor"):
                report(bridge, {"odd": value, "even": 2.0})
        bridge.on_batch(1, 2, {"odd": 1.0, "even": 2.0})
    assert values(journal) == {"odd": [1.0] * 4, "even": [2.0] * 4}


def test_the_error_of_a_device_is_not_hidden(journal: Path) -> None:
    class Failed:
        """A tensor whose device has failed."""

        ndim = 0

        def __float__(self) -> float:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with Bridge.create(journal) as bridge:
        for _ in range(3):
            with pytest.raises(RuntimeError, match="illegal memory access"):
                bridge.on_batch(1, 2, {"loss": Failed()})  # type: ignore[dict-item]  # has __float__
            bridge.on_batch(1, 2, {"loss": 1.0})
    assert values(journal) == {"loss": [1.0] * 3}


def test_hundreds_of_names_may_appear_at_any_time(journal: Path) -> None:
    expected: dict[str, list[float]] = {}
    with Bridge.create(journal, segment_bytes=65_536) as bridge:
        for number in range(1, 901):
            metrics: dict[str, Any] = {f"metric {name}": np.float32(number) for name in range(0, number, 3)}
            metrics[f"only once {number}"] = torch.tensor(float(number))
            bridge.on_batch(number, 900, metrics)
            for name in metrics:
                expected.setdefault(name, []).append(float(number))
    assert values(journal) == expected
