"""Sessions that users' own processes have opened are kept, and removed, like all others."""

import asyncio

from tests.support.eventually import eventually
from tests.support.host_service import ProbeHostSettings, served_host
from tests.support.opened_session import OpenedSession
from tests.support.status_reader import stub_reader


async def test_it_goes_when_it_has_ended_and_not_before(settings: ProbeHostSettings) -> None:
    strict = settings.model_copy(update={"keep_sessions": 0})
    local = settings.home / "local" / "training"
    async with served_host(strict) as (host, stub):
        reader = stub_reader(stub)
        with await asyncio.to_thread(OpenedSession, settings.home) as loop:
            await reader.until(lambda each: "mine" in each.sessions)
            await host.retention.sweep()
            assert "mine" in [path.name for path in local.iterdir()]
            loop.epochs(1, 2)
            loop.do("bridge.close()")  # the process lives on, as a notebook's does

            async def gone() -> bool:
                await reader.read()
                return "mine" not in [each.id for each in host.listing.page(0, "").sessions]

            await eventually(gone)
        await reader.read()
        assert "mine" in reader.removed + reader.finals  # whichever came first
        session = await host.sessions.look_up("mine")
        assert (session.removed, session.attached, session.display_name) == (True, True, "my run")
        await eventually(lambda: [path.name for path in local.iterdir()] == ["host.lock"])
    async with served_host(strict) as (host, _):
        assert (await host.sessions.look_up("mine")).removed
        assert host.listing.page(0, "").sessions == []
