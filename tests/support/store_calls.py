"""Calls of an IB host that are about its store, for tests over the wire."""

import io
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import grpc
import pyarrow as pa
import pytest
from google.rpc import error_details_pb2
from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.common.errors import status_of_call
from tests.support.ib_host import IbHost, reason_of_call

NOWHERE = "127.0.0.1:9"
"""Nobody listens there: the store needs no gateway."""


def bars_request(start: datetime | None = None, end: datetime | None = None, **more: Any) -> ib_pb2.StreamBarsRequest:
    """Return a request for bars."""
    request = ib_pb2.StreamBarsRequest(**more)
    if start is not None:
        request.start_time.FromDatetime(start)
    if end is not None:
        request.end_time.FromDatetime(end)
    return request


async def streamed(host: IbHost, **more: Any) -> Sequence[ib_pb2.StreamBarsResponse]:
    """Return all messages of a StreamBars call."""
    return [response async for response in host.bars.StreamBars(bars_request(**more), timeout=60)]


def table_of(responses: Sequence[ib_pb2.StreamBarsResponse]) -> pa.Table:
    """Return the bars of the messages."""
    return pa.ipc.open_stream(b"".join(response.arrow_ipc for response in responses)).read_all()


def ipc_bytes(table: pa.Table) -> bytes:
    """Return a table as a whole Arrow IPC stream."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


async def import_requests(
    key: bars_pb2.DatasetKey, content: bytes, *, size: int = 1_000, replace: bool = False
) -> AsyncIterator[ib_pb2.ImportBarsRequest]:
    """Yield the messages of an ImportBars call, cut at any byte."""
    yield ib_pb2.ImportBarsRequest(key=key, replace=replace)
    for start in range(0, len(content), size):
        yield ib_pb2.ImportBarsRequest(arrow_ipc=content[start : start + size])


async def refused(call: Any, code: grpc.StatusCode, reason: str) -> grpc.aio.AioRpcError:
    """Check that a call fails with a code and a reason, and return the error."""
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await (_drained(call) if hasattr(call, "__aiter__") else call)
    assert failure.value.code() is code, failure.value.details()
    assert reason_of_call(failure.value) == reason
    return failure.value


async def _drained(call: Any) -> None:
    async for _ in call:
        pass


def violations(failure: grpc.aio.AioRpcError) -> list[str]:
    """Return the fields that an error names."""
    status = status_of_call(failure)
    assert status is not None
    request = error_details_pb2.BadRequest()
    assert any(detail.Unpack(request) for detail in status.details if detail.Is(request.DESCRIPTOR))
    return [violation.field for violation in request.field_violations]
