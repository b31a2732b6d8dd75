"""A host that comes into sight again while its sessions are being asked for is asked for them again."""

import asyncio
from types import SimpleNamespace
from typing import Any

from ktrdr.host.v1.session_pb2 import Session
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.followed_host import FollowedHost
from services.operations.host_errors import HostDoesNotAnswer
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import Delivery, OperationState, State
from services.operations.verification import Verification
from tests.support.eventually import eventually
from tests.support.fake_clock import FakeClock


class Flapping:
    """A host that goes away in the middle of the first question."""

    def __init__(self) -> None:
        self.asked = 0
        self.goes_on = asyncio.Event()

    async def get_session(self, session_id: str) -> Session:
        self.asked += 1
        if self.asked == 1:
            await self.goes_on.wait()
            raise HostDoesNotAnswer("Nothing answers.")
        return Session(id=session_id, state=Session.State.STATE_RUNNING)


def verification(host: Flapping) -> Verification:
    record = pb.Operation(id="0123456789ab", attempt=1, session_id="s", host="gpu", state=State.STATE_RUNNING)
    operation = LiveOperation(OperationState(record, Delivery.ACCEPTED, host_uid="uid"))
    registry: Any = SimpleNamespace(live={operation.id: operation})
    nothing: Any = None
    return Verification(registry, {"gpu": host}, nothing, FakeClock())


async def test_a_host_that_comes_back_during_a_round_has_another_one() -> None:
    flapping, host = Flapping(), FollowedHost("gpu", "a:1", 20.0, host_uid="uid")
    verifying = verification(flapping)
    verifying.begin(host)
    await eventually(lambda: flapping.asked == 1)
    verifying.begin(host)
    flapping.goes_on.set()
    await eventually(lambda: flapping.asked == 2)
    await verifying.close()


async def test_no_round_begins_when_all_are_ended() -> None:
    flapping, host = Flapping(), FollowedHost("gpu", "a:1", 20.0, host_uid="uid")
    verifying = verification(flapping)
    verifying.begin(host)
    await eventually(lambda: flapping.asked == 1)
    verifying.begin(host)
    await verifying.close()
    await asyncio.sleep(0.01)
    assert flapping.asked == 1
