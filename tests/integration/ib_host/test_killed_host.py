"""SIGKILL of the host in the middle of a load: the next start goes on where the store and the ledger stand."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pytest
from ktrdr.host.v1 import host_pb2, host_pb2_grpc
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.ib.v1 import ib_pb2, ib_pb2_grpc

from services.common.channel import open_channel
from services.ib_host.replay.messages import Inbound
from services.ib_host.store.bar_store import BarStore
from tests.support.eventually import eventually
from tests.support.faulty_gateway import FaultyGateway, silence
from tests.support.ib_host import FINAL, load_spec, result_of
from tests.support.recorded_bars import recorded_bars
from tests.support.service_process import ServiceProcess


async def session_of(channel: grpc.aio.Channel) -> Session:
    stub: Any = host_pb2_grpc.HostServiceStub(channel)
    session: Session = await stub.GetSession(host_pb2.GetSessionRequest(session_id="op-1"), timeout=60)
    return session


@pytest.mark.kill
async def test_a_killed_host_goes_on_with_its_load(tmp_path: Path) -> None:
    async with FaultyGateway() as gateway:
        gateway.on(Inbound.HISTORICAL_DATA, None, None, None, silence)
        host = ServiceProcess("ib-host", tmp_path, ["--gateway", gateway.address])
        try:
            await asyncio.to_thread(host.start)
            async with open_channel(host.address) as channel:
                request = ib_pb2.StartDataLoadRequest(spec=load_spec("AAPL"), session_id="op-1")
                stub: Any = ib_pb2_grpc.IbHostServiceStub(channel)
                await stub.StartDataLoad(request, timeout=60)
                await eventually(lambda: len(gateway.requests(Inbound.HISTORICAL_DATA)) == 4)
                await asyncio.to_thread(host.kill)
            before = [fields[15] for fields in gateway.requests(Inbound.HISTORICAL_DATA)]
            await asyncio.to_thread(host.start)
            async with open_channel(host.address) as channel:

                async def ended() -> Session | None:
                    session = await session_of(channel)
                    return session if session.state in FINAL else None

                session: Session | None = await eventually(ended)
        finally:
            await asyncio.to_thread(host.kill)
        after = [fields[15] for fields in gateway.requests(Inbound.HISTORICAL_DATA)][len(before) :]
    assert session is not None
    load = result_of(session).loads[0]
    assert (load.range_rows, load.new_rows) == (3270, 3270)
    assert load.verdict.complete
    assert len(set(before) & set(after)) <= 1
    snapshot = BarStore(tmp_path).open(load.dataset.key)
    assert snapshot is not None
    with snapshot:
        closes = pa.concat_tables(snapshot.tables()).column("close").to_pylist()
    assert closes == [bar.close for bar in recorded_bars("AAPL")]
