"""The request id goes from the caller to the log and back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from grpc_health.v1 import health_pb2
from ktrdr.host.v1 import host_pb2

from services.common.interceptors.request_id import current_request_id, outgoing_metadata
from tests.support.probe_service import Context, ProbeService, probing, stream, unary_call


async def _tell(_request: bytes, _context: Context) -> bytes:
    return current_request_id().encode()


async def _tell_in_a_stream(_request: bytes, _context: Context) -> AsyncIterator[bytes]:
    yield current_request_id().encode()


def _trailer(metadata: Any) -> str:
    return next(str(value) for key, value in metadata if key == "x-request-id")


async def test_a_callers_id_is_kept_and_returned(tmp_path: Path) -> None:
    async with probing(ProbeService(unary={"Tell": _tell}), tmp_path) as channel:
        begun = unary_call(channel, "Tell", metadata=(("x-request-id", "trace:7/a"),))
        assert await begun == b"trace:7/a"
        assert _trailer(await begun.trailing_metadata()) == "trace:7/a"


@pytest.mark.parametrize("given", [None, "", "with blanks", "x" * 129, "<script>"])
async def test_a_missing_or_unfit_id_is_replaced(tmp_path: Path, given: str | None) -> None:
    metadata = () if given is None else (("x-request-id", given),)
    async with probing(ProbeService(unary={"Tell": _tell}), tmp_path) as channel:
        first, second = (unary_call(channel, "Tell", metadata=metadata) for _ in range(2))
        ids = {(await first).decode(), (await second).decode()}
        assert ids == {_trailer(await first.trailing_metadata()), _trailer(await second.trailing_metadata())}
    assert len(ids) == 2
    assert all(len(it) == 32 for it in ids)


async def test_an_error_keeps_the_id_beside_its_details(tmp_path: Path) -> None:
    async def fail(_request: bytes, _context: Context) -> bytes:
        raise RuntimeError

    async with probing(ProbeService(unary={"Fail": fail}), tmp_path) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await unary_call(channel, "Fail", metadata=(("x-request-id", "e-1"),))
    assert _trailer(failure.value.trailing_metadata()) == "e-1"
    assert "grpc-status-details-bin" in [key for key, _ in failure.value.trailing_metadata() or ()]


async def test_a_stream_has_its_id_from_the_start(tmp_path: Path) -> None:
    async with (
        probing(ProbeService(streams={"Tell": _tell_in_a_stream}), tmp_path) as channel,
        stream(channel, "Tell", metadata=(("x-request-id", "w-1"),)) as opened,
    ):
        assert _trailer(await opened.initial_metadata()) == "w-1"
        assert await opened.read() == b"w-1"


async def test_log_lines_have_the_ids_of_their_own_call(tmp_path: Path) -> None:
    seen: dict[str, dict[str, Any]] = {}
    together = asyncio.Barrier(50)

    async def look(request: host_pb2.GetSessionRequest, _context: Any) -> health_pb2.HealthCheckResponse:
        await together.wait()  # so that all calls overlap
        seen[request.session_id] = structlog.contextvars.get_contextvars()
        return health_pb2.HealthCheckResponse()

    handler: Any = grpc.unary_unary_rpc_method_handler(
        look,
        request_deserializer=host_pb2.GetSessionRequest.FromString,
        response_serializer=health_pb2.HealthCheckResponse.SerializeToString,
    )
    async with probing(ProbeService(handlers={"Look": handler}), tmp_path) as channel:
        await asyncio.gather(
            *(
                unary_call(
                    channel,
                    "Look",
                    host_pb2.GetSessionRequest(session_id=f"s-{number}").SerializeToString(),
                    metadata=(("x-request-id", f"r-{number}"),),
                )
                for number in range(50)
            )
        )
    assert seen == {
        f"s-{number}": {
            "request_id": f"r-{number}",
            "session_id": f"s-{number}",
            "method": "/ktrdr.tests.v1.Probe/Look",
        }
        for number in range(50)
    }


async def test_the_id_travels_to_the_next_server(tmp_path: Path) -> None:
    async with probing(ProbeService(unary={"Tell": _tell}), tmp_path / "second") as second:

        async def forward(_request: bytes, _context: Context) -> bytes:
            answer: bytes = await unary_call(second, "Tell", metadata=outgoing_metadata())
            return answer

        async with probing(ProbeService(unary={"Forward": forward}), tmp_path / "first") as first:
            assert await unary_call(first, "Forward", metadata=(("x-request-id", "through"),)) == b"through"
    assert outgoing_metadata() == ()
