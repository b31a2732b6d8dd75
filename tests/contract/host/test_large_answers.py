from itertools import chain

from google.protobuf.struct_pb2 import Struct
from ktrdr.host.v1 import host_pb2

from services.host.status_page import BUDGET_BYTES
from tests.support.host_service import KIND
from tests.support.scripted_work import ScriptedHost
from tests.support.status_reader import stub_reader


async def start_large(served: ScriptedHost) -> None:
    """Start twelve sessions whose states need three answers."""
    large = Struct()
    large.update({"text": "x" * 400_000})
    for number in range(12):
        await served.host.sessions.start(kind=KIND, spec=large, session_id=f"s{number:02}")


async def test_a_cursor_of_another_host_is_a_reset_of_every_session_on_every_page(served: ScriptedHost) -> None:
    await start_large(served)
    reader = stub_reader(served.stub)
    await reader.drain()
    reader.cursor = served.foreign_cursor(reader.cursor, also="elsewhere")
    await reader.drain()
    assert sorted(reader.resets) == sorted(reader.sessions)
    await served.host.sessions.start(kind=KIND, spec=Struct(), session_id="new")
    await reader.drain()
    assert "new" not in reader.resets


async def test_states_that_do_not_fit_come_in_pages_before_any_point(served: ScriptedHost) -> None:
    await start_large(served)
    await served.work.write_epochs("s00", 1, 10)
    reader = stub_reader(served.stub)
    answers = [await reader.read()]
    while answers[-1].more:
        answers.append(await reader.read())
    assert len(answers) == 3
    told = [[session.id for session in answer.sessions if session.HasField("spec")] for answer in answers]
    assert sorted(chain.from_iterable(told)) == [f"s{number:02}" for number in range(12)]
    assert all(answer.ByteSize() < 1.1 * BUDGET_BYTES for answer in answers)
    points = [any(session.metrics for session in answer.sessions) for answer in answers]
    assert points == [False, False, True]
    assert [answer.snapshot_complete for answer in answers] == [False, False, True]


async def test_points_stay_within_the_budget_however_many_are_asked_for(served: ScriptedHost) -> None:
    await served.start("a")
    bridge = (await served.work.working("a")).bridge
    for step in range(1, 15_001):
        bridge.on_epoch(10**15 + step, {f"metric_{number}": step / 3 for number in range(8)})
    reader = stub_reader(served.stub, page_points=10**9)
    answers = [await reader.read()]
    while answers[-1].more:
        answers.append(await reader.read())
    assert len(answers) > 1
    assert max(answer.ByteSize() for answer in answers) <= BUDGET_BYTES
    assert len(reader.values("a", "metric_7")) == 15_000


async def test_the_default_page_has_twenty_thousand_points(served: ScriptedHost) -> None:
    await served.start("a", epochs=12_000)
    answer = await served.stub.GetStatus(host_pb2.GetStatusRequest())
    assert sum(len(series.values) for series in answer.sessions[0].metrics) == 20_000
    assert answer.more
