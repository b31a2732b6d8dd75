import errno
from pathlib import Path

import pytest

from services.common.errors import reason_name
from services.host.exhaustion import exhaustion


class OutOfMemoryError(RuntimeError):
    """Named as PyTorch's."""


class TypeOfALibrary(OutOfMemoryError):
    """Derived from it."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nmore"),
        TypeOfALibrary("x"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    ],
)
def test_memory_ran_out(error: Exception) -> None:
    found = exhaustion(error, Path("/work"))
    assert found is not None
    assert reason_name(found.reason) == "WORKER_OUT_OF_MEMORY"
    assert str(error).partition("\n")[0] in found.message
    assert "more memory" in found.message


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_the_disk_ran_out(number: int) -> None:
    found = exhaustion(OSError(number, "no more", "/data/model.bin"), Path("/work"))
    assert found is not None
    assert reason_name(found.reason) == "STORAGE_FULL"
    assert "/data" in found.message
    unnamed = exhaustion(OSError(number, "no more"), Path("/work"))
    assert unnamed is not None
    assert "/work" in unnamed.message


@pytest.mark.parametrize("error", [None, ValueError("x"), RuntimeError("x"), FileNotFoundError(errno.ENOENT, "x")])
def test_everything_else_is_a_fault_of_the_code(error: Exception | None) -> None:
    assert exhaustion(error, Path("/work")) is None
