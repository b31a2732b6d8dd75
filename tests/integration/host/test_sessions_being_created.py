import asyncio
import threading

from google.protobuf.struct_pb2 import Struct
from ktrdr.host.v1.session_pb2 import Session

from services.host.folder import SessionFolder
from tests.support.eventually import eventually
from tests.support.host_service import KIND, ProbeHostSettings
from tests.support.scripted_work import scripted_host


async def test_who_asks_for_a_session_that_is_being_created_waits_for_it(settings: ProbeHostSettings) -> None:
    writing, may_go_on = threading.Event(), threading.Event()

    def furnish(_: SessionFolder) -> None:
        writing.set()
        may_go_on.wait()

    async with scripted_host(settings) as served:
        sessions = served.host.sessions
        starting = asyncio.create_task(sessions.start(kind=KIND, spec=Struct(), session_id="a", furnish=furnish))
        await eventually(writing.is_set)
        try:
            looking = asyncio.create_task(sessions.look_up("a"))
            cancelling = asyncio.create_task(sessions.cancel("a", reason="enough"))
            await asyncio.wait([looking, cancelling], timeout=0.05)
            assert not looking.done()
            assert not cancelling.done()
        finally:
            may_go_on.set()
        assert (await starting).id == (await looking).id == "a"
        assert (await cancelling).cancel_reason == "enough"
        await eventually(lambda: sessions.get("a").state == Session.STATE_CANCELLED)
