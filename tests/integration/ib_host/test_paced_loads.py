"""Loads that IB's limits hold back: they say so, a restart forgets nothing, and people go on."""

from datetime import UTC, datetime
from pathlib import Path

from ktrdr.host.v1.session_pb2 import Session
from ktrdr.ib.v1 import ib_pb2

from services.ib_host.replay.messages import Inbound
from tests.support.eventually import eventually
from tests.support.faulty_gateway import FaultyGateway
from tests.support.ib_host import IbHost, ib_host, load_spec

CHUNKS = load_spec("AAPL", start=datetime(2006, 1, 3, tzinfo=UTC))
"""Five requests, as sizes grow with quick answers; more where a restart begins with the usual size again."""


async def waits_for_pacing(host: IbHost, session_id: str) -> str:
    async def look() -> str:
        reason: str = (await host.session(session_id)).progress.wait_reason
        return reason if reason.startswith("IB pacing: ") else ""

    found: str = await eventually(look)
    return found


async def test_a_load_waits_for_its_budget_and_a_restarted_host_still_knows_it(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway:
        async with ib_host(tmp_path, gateway.address, long_bar_requests=3) as host:
            session = await host.start_load(CHUNKS)
            assert " left" in await waits_for_pacing(host, session.id)
            # The limits alone make it ten minutes: the pace of the chunks before knows nothing of that.
            assert 500 <= (await host.session(session.id)).progress.eta.seconds <= 3_600
            request = ib_pb2.FindInstrumentsRequest(pattern="AA")
            assert (await host.bars.FindInstruments(request, timeout=60)).instruments
        assert len(gateway.requests(Inbound.HISTORICAL_DATA)) == 3
        async with ib_host(tmp_path, gateway.address, long_bar_requests=3) as host:
            assert " left" in await waits_for_pacing(host, session.id)
            assert (await host.session(session.id)).state == Session.STATE_RUNNING
        assert len(gateway.requests(Inbound.HISTORICAL_DATA)) == 3
        async with ib_host(tmp_path, gateway.address, long_bar_requests=0) as host:
            assert (await host.ended(session.id)).state == Session.STATE_COMPLETED
    assert 4 < len(gateway.requests(Inbound.HISTORICAL_DATA)) < 8


async def test_a_rate_complaint_without_a_request_pauses_loads_too(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway, ib_host(tmp_path, gateway.address) as host:
        await host.connected()
        gateway.tell(100, "Max rate of messages per second has been exceeded")
        await eventually((tmp_path / "ib-host" / "pacing.json").exists)
        session = await host.start_load(CHUNKS)
        assert (await waits_for_pacing(host, session.id)).endswith(" s")  # already for the contract
        assert gateway.requests(Inbound.HISTORICAL_DATA) == []
