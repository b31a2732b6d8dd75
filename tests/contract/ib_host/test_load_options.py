"""A load runs inside the IB host: of the options of a session it has the time limit alone."""

from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from ktrdr.host.v1.session_pb2 import Session, SessionOptions

from services.common.errors import status_of_call
from tests.support.ib_host import ib_host, load_spec, reason_of_call, reason_of_session

NOWHERE = "127.0.0.1:9"


async def test_a_load_over_its_time_limit_fails(tmp_path: Path) -> None:
    limit = SessionOptions(timeout=Duration(seconds=1))
    async with ib_host(tmp_path, NOWHERE) as host:
        session = await host.start_load(load_spec(), session_id="late", options=limit)
        assert session.state == Session.STATE_RUNNING
        assert session.options == limit
        assert session.HasField("time_left")
        assert reason_of_session(await host.ended("late")) == "TIME_LIMIT"


async def test_a_time_limit_goes_on_with_the_load_after_a_restart(tmp_path: Path) -> None:
    limit = SessionOptions(timeout=Duration(seconds=2))
    async with ib_host(tmp_path, NOWHERE) as host:
        await host.start_load(load_spec(), session_id="late", options=limit)
    async with ib_host(tmp_path, NOWHERE) as host:
        assert reason_of_session(await host.ended("late")) == "TIME_LIMIT"


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        (SessionOptions(gpus=1, niceness=3), ["options.gpus", "options.niceness"]),
        (SessionOptions(memory_limit_bytes=2**30), ["options.memory_limit_bytes"]),
        (SessionOptions(threads=1), ["options.threads"]),
        (SessionOptions(timeout=Duration(seconds=-1)), ["options.timeout"]),
    ],
)
async def test_other_options_are_refused_by_name(tmp_path: Path, options: SessionOptions, fields: list[str]) -> None:
    async with ib_host(tmp_path, NOWHERE) as host:
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await host.start_load(load_spec(), options=options)
    assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of_call(failure.value) == "INVALID_REQUEST"
    status = status_of_call(failure.value)
    assert status is not None
    request = error_details_pb2.BadRequest()
    assert any(detail.Unpack(request) for detail in status.details if detail.Is(request.DESCRIPTOR))
    assert [violation.field for violation in request.field_violations] == fields
