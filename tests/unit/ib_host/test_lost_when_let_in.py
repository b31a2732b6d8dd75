"""A gateway that lets the host in and is gone in the same moment: the host connects again, whichever comes first."""

import asyncio

import pytest

from services.ib_host.connection.library import LibrarySession
from services.ib_host.connection.life import ConnectionLife
from services.ib_host.connection.notices import Link
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings
from tests.support.eventually import eventually
from tests.support.gateway_connections import connection_to

TAKEN = "Unable to connect as the client id is already in use. Retry with a unique client id."


@pytest.mark.parametrize("news", ["lost", "id taken"])
@pytest.mark.parametrize("turns", range(6))
async def test_it_connects_again(monkeypatch: pytest.MonkeyPatch, turns: int, news: str) -> None:
    lives: list[ConnectionLife] = []
    handshake = LibrarySession.connect

    async def gone_a_moment_later(session: LibrarySession, *args: object, **options: object) -> None:
        """Shake hands, and let the first connection end some turns of the event loop later."""
        await handshake(session, *args, **options)  # type: ignore[arg-type]  # passed on as they came
        if len(lives) == 1:
            asyncio.get_running_loop().create_task(end(lives[0]))

    async def end(life: ConnectionLife) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        if news == "lost":
            life.session._ib.client.conn.transport.abort()
        else:
            life.told(-1, 326, TAKEN)

    made = ConnectionLife.__init__

    def keep(life: ConnectionLife, *args: object, **options: object) -> None:
        made(life, *args, **options)  # type: ignore[arg-type]  # passed on as they came
        lives.append(life)

    monkeypatch.setattr(LibrarySession, "connect", gone_a_moment_later)
    monkeypatch.setattr(ConnectionLife, "__init__", keep)
    async with ReplayServer(ReplaySettings(port=0)) as gateway:
        connection = connection_to(gateway.port)
        await connection.start()
        await eventually(lambda: len(lives) >= 2 and connection.link is Link.UP)
        assert connection.session is not None
        await connection.stop()
        await eventually(lambda: not gateway.client_ids)
