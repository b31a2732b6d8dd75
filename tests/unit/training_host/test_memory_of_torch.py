"""What PyTorch raises when memory runs out is told from faults of the code."""

from pathlib import Path

import pytest
import torch

from services.common.errors import reason_name
from services.host.exhaustion import exhaustion


def test_an_allocation_that_fails() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**55, dtype=torch.uint8)
    found = exhaustion(raised.value, Path())
    assert found is not None
    assert reason_name(found.reason) == "WORKER_OUT_OF_MEMORY"


def test_an_allocation_that_fails_on_a_gpu() -> None:
    assert exhaustion(torch.OutOfMemoryError("CUDA out of memory."), Path()) is not None


def test_another_error_of_its() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.zeros(2) @ torch.zeros(3)
    assert exhaustion(raised.value, Path()) is None
