import grpc
import pytest
from google.protobuf.struct_pb2 import Struct
from ktrdr.host.v1 import host_pb2
from ktrdr.host.v1.session_pb2 import HOST_KIND_TRAINING, Session

from services.common.errors import ServiceError
from tests.support.eventually import eventually
from tests.support.host_service import KIND
from tests.support.refusals import refusal
from tests.support.scripted_work import ScriptedHost


async def test_get_host_describes_it(served: ScriptedHost) -> None:
    await served.start("a")
    host = await served.stub.GetHost(host_pb2.GetHostRequest())
    assert (host.name, host.kind, host.slots, host.running_sessions, host.queued_sessions) == (
        "box-7",
        HOST_KIND_TRAINING,
        2,
        1,
        0,
    )
    assert len(host.host_uid) == len(host.incarnation) == 32
    assert 0 < host.disk.free_bytes <= host.disk.total_bytes
    assert host.version
    assert host.HasField("start_time")
    assert not host.stopping


async def test_get_session_tells_all_but_points(served: ScriptedHost) -> None:
    await served.start("a", epochs=2, team="red")
    session = await served.stub.GetSession(host_pb2.GetSessionRequest(session_id="a"))
    assert session.state == Session.STATE_RUNNING
    assert session.spec.Is(Struct.DESCRIPTOR)
    assert session.labels == {"team": "red"}
    assert len(session.incarnation) == 32
    assert not session.metrics
    assert session.attempt == 1


@pytest.mark.parametrize("session_id", ["", "nobody", "../../etc"])
async def test_an_unknown_session_is_not_found(served: ScriptedHost, session_id: str) -> None:
    for call in (
        served.stub.GetSession(host_pb2.GetSessionRequest(session_id=session_id)),
        served.stub.CancelSession(host_pb2.CancelSessionRequest(session_id=session_id)),
    ):
        refused = await refusal(call)
        assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
        assert refused.metadata == {"session_id": session_id}


async def test_sessions_are_listed_newest_first_in_pages(served: ScriptedHost) -> None:
    for number in range(5):
        await served.host.sessions.start(kind=KIND, spec=Struct(), session_id=f"s{number}")
    first = await served.stub.ListSessions(host_pb2.ListSessionsRequest(page_size=2))
    await served.host.sessions.start(kind=KIND, spec=Struct(), session_id="newer")
    second = await served.stub.ListSessions(host_pb2.ListSessionsRequest(page_size=2, page_token=first.next_page_token))
    third = await served.stub.ListSessions(host_pb2.ListSessionsRequest(page_size=2, page_token=second.next_page_token))
    pages = [[session.id for session in page.sessions] for page in (first, second, third)]
    assert pages == [["s4", "s3"], ["s2", "s1"], ["s0"]]
    assert not third.next_page_token
    everything = await served.stub.ListSessions(host_pb2.ListSessionsRequest(page_size=100_000))
    assert len(everything.sessions) == 6


@pytest.mark.parametrize("token", ["x", "AAAA", "ÄÖÜ", "A" * 19])
async def test_a_page_token_that_is_none_is_refused(served: ScriptedHost, token: str) -> None:
    refused = await refusal(served.stub.ListSessions(host_pb2.ListSessionsRequest(page_token=token)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")


async def test_a_negative_page_size_is_refused(served: ScriptedHost) -> None:
    refused = await refusal(served.stub.ListSessions(host_pb2.ListSessionsRequest(page_size=-1)))
    assert (refused.code, refused.reason, refused.fields) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        ["page_size"],
    )


async def test_cancel_answers_at_once_and_asking_again_changes_nothing(served: ScriptedHost) -> None:
    await served.start("a", epochs=1)
    request = host_pb2.CancelSessionRequest(session_id="a", reason="enough")
    session = (await served.stub.CancelSession(request)).session
    assert (session.state, session.cancel_reason) == (Session.STATE_CANCELLING, "enough")
    again = await served.stub.CancelSession(host_pb2.CancelSessionRequest(session_id="a", reason="other"))
    assert again.session.cancel_reason == "enough"
    await eventually(lambda: served.host.sessions.get("a").state == Session.STATE_CANCELLED)
    ended = (await served.stub.CancelSession(request)).session
    assert ended.state == Session.STATE_CANCELLED
    assert "enough" in ended.error.message
    assert ended.error.code == grpc.StatusCode.CANCELLED.value[0]


async def test_a_result_that_came_first_wins_against_a_cancel(served: ScriptedHost) -> None:
    await served.start("a")
    served.work.stubborn.add("a")
    await served.stub.CancelSession(host_pb2.CancelSessionRequest(session_id="a"))
    served.work.complete("a", answer=42)
    await eventually(lambda: served.host.sessions.get("a").state == Session.STATE_COMPLETED)
    session = await served.stub.GetSession(host_pb2.GetSessionRequest(session_id="a"))
    result = Struct()
    assert session.result.Unpack(result)
    assert result["answer"] == 42


async def test_an_error_of_the_work_is_told_without_its_text(served: ScriptedHost) -> None:
    await served.start("a")
    served.work.fail("a", RuntimeError("a secret"))
    await eventually(lambda: served.host.sessions.get("a").state == Session.STATE_FAILED)
    session = await served.stub.GetSession(host_pb2.GetSessionRequest(session_id="a"))
    assert "a secret" not in session.error.message
    assert session.error.code == grpc.StatusCode.INTERNAL.value[0]


async def test_a_start_of_other_work_is_refused(served: ScriptedHost) -> None:
    with pytest.raises(ServiceError, match="this host does training, not gardening"):
        await served.host.sessions.start(kind="gardening", spec=Struct())
