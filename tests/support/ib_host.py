"""An IB host in the test's own event loop, with fast retries."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from ktrdr.host.v1 import host_pb2, host_pb2_grpc
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.ib.v1 import bars_pb2, ib_pb2, ib_pb2_grpc

from services.common.bootstrap import running_server
from services.common.channel import open_channel
from services.common.errors import reason_name, reason_of, status_of_call
from services.ib_host.loading.persistence import RetryPolicy
from services.ib_host.requests import round_trip
from services.ib_host.service import IbHostService
from services.ib_host.settings import IbHostSettings
from tests.support.eventually import PATIENCE_SECONDS, eventually
from tests.support.hurried_clock import HurriedClock

START = datetime(2000, 3, 1, tzinfo=UTC)
END = datetime(2013, 3, 2, tzinfo=UTC)
FINAL = {Session.STATE_COMPLETED, Session.STATE_FAILED, Session.STATE_CANCELLED}
QUICK = RetryPolicy(
    pauses_seconds=(0.02, 0.02),
    away_seconds=0.02,
    competing_seconds=0.02,
    competing_patience=timedelta(seconds=0.05),
)


@dataclass
class IbHost:
    """A running IB host and its two services."""

    address: str
    bars: Any
    host: Any

    async def start_load(self, spec: ib_pb2.DataLoadSpec, **fields: Any) -> Session:
        """Start a load and return its session."""
        response = await self.bars.StartDataLoad(ib_pb2.StartDataLoadRequest(spec=spec, **fields), timeout=60)
        session: Session = response.session
        return session

    async def session(self, session_id: str) -> Session:
        """Return a session as it is now."""
        session: Session = await self.host.GetSession(host_pb2.GetSessionRequest(session_id=session_id), timeout=60)
        return session

    async def ended(self, session_id: str, *, timeout_seconds: float = PATIENCE_SECONDS) -> Session:
        """Wait until a session has ended."""

        async def look() -> Session | None:
            session = await self.session(session_id)
            return session if session.state in FINAL else None

        session: Session | None = await eventually(look, timeout_seconds=timeout_seconds)
        assert session is not None
        return session

    async def load(
        self, spec: ib_pb2.DataLoadSpec, *, timeout_seconds: float = PATIENCE_SECONDS, **fields: Any
    ) -> Session:
        """Start a load and wait for its end."""
        return await self.ended((await self.start_load(spec, **fields)).id, timeout_seconds=timeout_seconds)

    async def gateway(self) -> ib_pb2.GetGatewayResponse:
        """Return how the host stands with its gateway."""
        response: ib_pb2.GetGatewayResponse = await self.bars.GetGateway(ib_pb2.GetGatewayRequest(), timeout=60)
        return response

    async def connected(self) -> None:
        """Wait until the host is connected to its gateway."""

        async def look() -> bool:
            return (await self.gateway()).link == ib_pb2.GetGatewayResponse.LINK_UP

        up: bool = await eventually(look)
        assert up


@asynccontextmanager
async def ib_host(
    home: Path, gateway: str, *, clock: HurriedClock | None = None, **settings: Any
) -> AsyncIterator[IbHost]:
    """Run an IB host in `home` that connects to `gateway`.

    With a clock that can run ahead it looks at it often while it waits for answers.
    """
    fast: dict[str, Any] = {"reconnect_seconds": 0.05, "grace_seconds": 0.5}
    loaded = IbHostSettings(home=home, port=0, gateway=gateway, **(fast | settings))
    async with (
        running_server(IbHostService(loaded, retries=QUICK), loaded, clock=clock) as server,
        open_channel(server.address) as channel,
    ):
        with pytest.MonkeyPatch.context() as patched:
            if clock is not None:
                patched.setattr(round_trip, "_LOOK_SECONDS", 0.02)
            yield IbHost(server.address, ib_pb2_grpc.IbHostServiceStub(channel), host_pb2_grpc.HostServiceStub(channel))


def load_spec(
    *symbols: str,
    start: datetime = START,
    end: datetime = END,
    bar_size: bars_pb2.BarSize.ValueType = bars_pb2.BAR_SIZE_1_DAY,
) -> ib_pb2.DataLoadSpec:
    """Return the spec of a load; by default of all recorded daily bars of AAPL."""
    spec = ib_pb2.DataLoadSpec(
        instruments=[bars_pb2.Instrument(symbol=symbol) for symbol in symbols or ("AAPL",)], bar_size=bar_size
    )
    spec.start_time.FromDatetime(start)
    spec.end_time.FromDatetime(end)
    return spec


def result_of(session: Session) -> ib_pb2.DataLoadResult:
    """Return the result of a session that has completed."""
    assert session.state == Session.STATE_COMPLETED, session.error.message
    result = ib_pb2.DataLoadResult()
    assert session.result.Unpack(result)
    return result


def partial_result(session: Session) -> ib_pb2.DataLoadResult:
    """Return what a session that has failed, or was cancelled, has brought."""
    result = ib_pb2.DataLoadResult()
    assert session.result.Unpack(result)
    return result


def reason_of_session(session: Session) -> str:
    """Return the reason of a session that has failed."""
    assert session.state == Session.STATE_FAILED, Session.State.Name(session.state)
    reason = reason_of(session.error)
    assert reason is not None
    return reason_name(reason)


def reason_of_call(error: grpc.aio.AioRpcError) -> str:
    """Return the reason of a failed call."""
    status = status_of_call(error)
    assert status is not None
    reason = reason_of(status)
    assert reason is not None
    return reason_name(reason)
