"""The client library runs under protobuf 6 and 7, with nothing installed but gRPC."""

import asyncio
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from tests.support.finished_operations import completed, history, running_training
from tests.support.simulated_operations import rich_status, simulated_operations

ROOT = Path(__file__).parents[3]
PROTOBUF_6 = ROOT / ".venv-protobuf6" / "bin" / "python"
SCRIPT = """
import sys
import google.protobuf
from ktrdr_client import Client, InvalidArgument, NotFound

with Client(sys.argv[1]) as client:
    try:
        client.create_training("name: x")
    except InvalidArgument as error:
        print(error.reason, error.fields[0].field)
    finished = client.wait("op0000000000", timeout=60)
    values = list(client.metrics("op0000000000")["val_loss"].values)
    listed = [operation.id for operation in client.list()]
    print(google.protobuf.__version__.split(".")[0], finished.state, finished.training.epochs, values, listed)
    try:
        client.get("nope")
    except NotFound as error:
        print(error.reason)
"""


@pytest.mark.parametrize(("python", "major"), [(PROTOBUF_6, "6"), (Path(sys.executable), "7")])
async def test_a_script_runs_under_both(python: Path, major: str, tmp_path: Path) -> None:
    async with simulated_operations() as (registry, address):
        await registry.put(completed(running_training("op0000000000")))
        registry.history["op0000000000"] = [history("val_loss", [1.0, 0.5])]
        registry.refusals.append(
            rich_status(grpc.StatusCode.INVALID_ARGUMENT, "STRATEGY_INVALID", "no", fields=[("model.typ", "unknown")])
        )
        process = await asyncio.create_subprocess_exec(
            str(python), "-W", "error", "-c", SCRIPT, address,
            cwd=tmp_path, env={"PYTHONPATH": str(ROOT / "clients")}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert output.decode().splitlines() == [
        "STRATEGY_INVALID model.typ",
        f"{major} COMPLETED 4 [1.0, 0.5] ['op0000000000']",
        "OPERATION_NOT_FOUND",
    ]
