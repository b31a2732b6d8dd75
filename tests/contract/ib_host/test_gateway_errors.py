"""What a caller gets when the gateway fails a request of his: status, reason, IB's own words, and when to try again."""

import asyncio
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from ktrdr.ib.v1 import ib_pb2

from services.common.errors import error_info, status_of_call
from services.ib_host.replay.messages import Inbound
from tests.support.eventually import eventually
from tests.support.faulty_gateway import Action, FaultyGateway, error, hang_up, silence
from tests.support.hurried_clock import HurriedClock
from tests.support.ib_host import IbHost, ib_host

HMDS = "Historical Market Data Service error message:"
STATUS = grpc.StatusCode
SOON = timedelta(seconds=5)


async def refusal(host: IbHost) -> tuple[grpc.StatusCode, error_details_pb2.ErrorInfo, timedelta | None]:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await host.bars.FindInstruments(ib_pb2.FindInstrumentsRequest(pattern="AAPL"), timeout=60)
    status = status_of_call(failed.value)
    assert status is not None
    info = error_info(status)
    assert info is not None
    assert info.domain == "ktrdr"
    return failed.value.code(), info, retry_of(status)


def retry_of(status: status_pb2.Status) -> timedelta | None:
    info = error_details_pb2.RetryInfo()
    return next((info.retry_delay.ToTimedelta() for detail in status.details if detail.Unpack(info)), None)


@pytest.mark.parametrize(
    ("fault", "status", "reason", "retry"),
    [
        (error(321, "Error validating request."), STATUS.INVALID_ARGUMENT, "GATEWAY_REFUSED", None),
        (error(162, f"{HMDS}No market data permissions"), STATUS.PERMISSION_DENIED, "GATEWAY_NO_PERMISSION", None),
        (
            error(10197, "No market data during competing live session"),
            STATUS.FAILED_PRECONDITION, "GATEWAY_COMPETING_SESSION", timedelta(minutes=1),
        ),
        (
            error(366, "No historical data query found"),
            STATUS.ABORTED, "GATEWAY_QUERY_LOST", timedelta(seconds=1),
        ),
        (
            error(162, f"{HMDS}HMDS server disconnect occurred"),
            STATUS.UNAVAILABLE, "GATEWAY_SERVICE_TROUBLE", timedelta(seconds=30),
        ),
        (hang_up, STATUS.UNAVAILABLE, "GATEWAY_UNAVAILABLE", SOON),
        (silence, STATUS.DEADLINE_EXCEEDED, "GATEWAY_TIMEOUT", SOON),
    ],
    ids=["refused", "permission", "competing", "query lost", "trouble", "connection lost", "silence"],
)  # fmt: skip
async def test_each_outcome_has_its_status(
    tmp_path: Path, fault: Action, status: grpc.StatusCode, reason: str, retry: timedelta | None
) -> None:
    clock = HurriedClock()
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address, clock=clock) as host:
        await host.connected()
        gateway.on(Inbound.MATCHING_SYMBOLS, fault)
        asking = asyncio.create_task(refusal(host))
        if fault is silence:
            await eventually(lambda: gateway.requests(Inbound.MATCHING_SYMBOLS))
            clock.run_ahead(60.0)
        code, info, told = await asking
    assert (code, info.reason, told) == (status, reason, retry)


async def test_ibs_own_words_travel_with_it(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        await host.connected()
        gateway.on(Inbound.MATCHING_SYMBOLS, error(162, f"{HMDS}Historical data request pacing violation"))
        code, info, told = await refusal(host)
        asked = gateway.requests(Inbound.MATCHING_SYMBOLS)[0]
    assert (code, info.reason) == (STATUS.RESOURCE_EXHAUSTED, "GATEWAY_PACING")
    assert (info.metadata["code"], info.metadata["reqId"]) == ("162", asked[1])
    assert info.metadata["text"] == f"{HMDS}Historical data request pacing violation"
    assert told is not None
    assert timedelta(seconds=14) < told <= timedelta(seconds=15)


async def test_a_gateway_without_ib_is_unavailable_at_once(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        await host.connected()
        gateway.tell(1100, "Connectivity between IB and Trader Workstation has been lost.")

        async def down() -> bool:
            return (await host.gateway()).link == ib_pb2.GetGatewayResponse.LINK_IB_DOWN

        await eventually(down)
        code, info, _ = await refusal(host)
        assert not gateway.requests(Inbound.MATCHING_SYMBOLS)
    assert (code, info.reason) == (STATUS.UNAVAILABLE, "GATEWAY_UNAVAILABLE")
