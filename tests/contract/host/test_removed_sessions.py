"""What the wire says of sessions whose folders are gone."""

import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from ktrdr.host.v1 import host_pb2
from ktrdr.host.v1.session_pb2 import Session

from services.common.errors import ServiceError
from tests.support.eventually import eventually
from tests.support.host_service import KIND
from tests.support.refusals import refusal
from tests.support.scripted_work import ScriptedHost
from tests.support.session_worker import worker_spec
from tests.support.status_reader import stub_reader


async def delete(served: ScriptedHost, session_id: str) -> Session:
    """Delete a session over the wire."""
    response = await served.stub.DeleteSession(host_pb2.DeleteSessionRequest(session_id=session_id))
    return response.session


async def test_a_deleted_session_keeps_its_end_and_loses_the_rest(served: ScriptedHost) -> None:
    await served.start("a", epochs=3, team="red")
    await served.start("b")
    await served.complete("a")
    reader = stub_reader(served.stub)
    await reader.drain()
    folder = served.host.sessions.find("a").folder
    removed = await delete(served, "a")
    assert (removed.id, removed.state, removed.removed) == ("a", Session.STATE_COMPLETED, True)
    assert removed.labels == {"team": "red"}
    assert removed.result.Is(Struct.DESCRIPTOR)
    await eventually(lambda: not folder.path.exists())
    assert await eventually(lambda: [path.name for path in folder.path.parent.iterdir()] == ["b"])
    listed = await served.stub.ListSessions(host_pb2.ListSessionsRequest())
    assert [session.id for session in listed.sessions] == ["b"]
    assert await served.stub.GetSession(host_pb2.GetSessionRequest(session_id="a")) == removed
    cancelled = await served.stub.CancelSession(host_pb2.CancelSessionRequest(session_id="a"))
    assert cancelled.session == removed
    assert await delete(served, "a") == removed


async def test_a_reader_that_knows_a_deleted_session_is_told_while_it_waits(served: ScriptedHost) -> None:
    await served.start("a")
    reader = stub_reader(served.stub)
    await reader.read()
    served.work.complete("a")
    await eventually(lambda: served.host.sessions.find("a").settled)
    await delete(served, "a")
    response = await reader.read(wait_seconds=10)
    assert list(response.removed_sessions) == ["a"]
    assert not (await reader.read()).removed_sessions


async def test_only_what_has_ended_can_be_deleted(served: ScriptedHost) -> None:
    await served.start("a")
    refused = await refusal(served.stub.DeleteSession(host_pb2.DeleteSessionRequest(session_id="a")))
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "WRONG_STATE")
    assert "RUNNING" in refused.message
    assert "CancelSession" in refused.message
    assert served.host.sessions.get("a").state == Session.STATE_RUNNING


async def test_a_session_that_is_being_read_is_not_deleted(served: ScriptedHost) -> None:
    await served.start("a")
    await served.complete("a")
    with served.host.sessions.find("a").held():
        refused = await refusal(served.stub.DeleteSession(host_pb2.DeleteSessionRequest(session_id="a")))
    assert refused.reason == "WRONG_STATE"
    assert (await delete(served, "a")).removed


@pytest.mark.parametrize("session_id", ["", "nobody", "../../etc", ".removed-a"])
async def test_an_unknown_session_cannot_be_deleted(served: ScriptedHost, session_id: str) -> None:
    refused = await refusal(served.stub.DeleteSession(host_pb2.DeleteSessionRequest(session_id=session_id)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")


async def test_a_removed_session_is_never_run_again(served: ScriptedHost) -> None:
    sessions = served.host.sessions
    first = await sessions.start(kind=KIND, spec=worker_spec(x=1), session_id="a", request_id="r")
    await served.work.working("a")
    await served.complete("a")
    await delete(served, "a")
    for session_id, request_id in (("a", "r"), ("a", ""), ("a", "another")):
        again = await sessions.start(kind=KIND, spec=worker_spec(x=1), session_id=session_id, request_id=request_id)
        assert (again.id, again.removed, again.state) == (first.id, True, Session.STATE_COMPLETED)
    with pytest.raises(ServiceError, match="exists and was started with another body"):
        await sessions.start(kind=KIND, spec=worker_spec(x=2), session_id="a")
    with pytest.raises(ServiceError, match="request_id"):
        await sessions.start(kind=KIND, spec=worker_spec(x=2), request_id="r")
    assert not served.work.sessions


async def test_the_host_tells_how_many_sessions_it_keeps(served: ScriptedHost) -> None:
    for name in ("a", "b"):
        await served.start(name, epochs=2)
        await served.complete(name)
    host = await served.stub.GetHost(host_pb2.GetHostRequest())
    assert host.finished_sessions == 2
    await delete(served, "a")
    host = await served.stub.GetHost(host_pb2.GetHostRequest())
    assert host.finished_sessions == 1
