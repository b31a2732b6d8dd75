"""The committed stubs run under protobuf 6 and 7: each imports them and calls a real server."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import google.protobuf
import grpc
import pytest
from ktrdr.operations.v1 import operations_pb2, operations_pb2_grpc

ROOT = Path(__file__).parents[3]
PROTOBUF_6 = ROOT / ".venv-protobuf6" / "bin" / "python"
CALL = """
import sys
import google.protobuf
import grpc
from ktrdr.host.v1 import host_pb2, host_pb2_grpc
from ktrdr.ib.v1 import ib_pb2, ib_pb2_grpc
from ktrdr.operations.v1 import operations_pb2, operations_pb2_grpc
from ktrdr.training.v1 import training_pb2, training_pb2_grpc

with grpc.insecure_channel(sys.argv[1]) as channel:
    stub = operations_pb2_grpc.OperationsServiceStub(channel)
    operation = stub.GetOperation(operations_pb2.GetOperationRequest(operation_id="k7"), timeout=60)
print(google.protobuf.__version__.split(".")[0], operation.id, operation.training_result.test_accuracy)
"""


class OneOperation(operations_pb2_grpc.OperationsServiceServicer):
    """Answers GetOperation with the id that was asked for and a result."""

    async def GetOperation(  # noqa: N802 - the name of the RPC
        self,
        request: operations_pb2.GetOperationRequest,
        context: object,  # noqa: ARG002 - the signature of a servicer
    ) -> operations_pb2.Operation:
        operation = operations_pb2.Operation(id=request.operation_id)
        operation.training_result.test_accuracy = 0.5
        return operation


@pytest.fixture
async def address() -> AsyncIterator[str]:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    operations_pb2_grpc.add_OperationsServiceServicer_to_server(
        OneOperation(),  # type: ignore[abstract]  # the other methods answer UNIMPLEMENTED
        server,
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


@pytest.mark.parametrize(("python", "major"), [(PROTOBUF_6, "6"), (Path(sys.executable), "7")])
async def test_the_stubs_import_and_call(address: str, python: Path, major: str) -> None:
    process = await asyncio.create_subprocess_exec(
        str(python),
        "-W",
        "error",
        "-c",
        CALL,
        address,
        env={"PYTHONPATH": str(ROOT / "clients")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip - one line a group reads better
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert output.decode().split() == [major, "k7", "0.5"]


def test_the_environment_with_protobuf_6_is_there() -> None:
    assert PROTOBUF_6.exists(), "run the tests with `make test`, which sets it up"


def test_this_environment_has_protobuf_7() -> None:
    assert google.protobuf.__version__.startswith("7.")
