"""Readers that say what they have stored."""

import grpc
import pytest
from ktrdr.host.v1 import host_pb2

from tests.support.refusals import refusal
from tests.support.scripted_work import ScriptedHost


async def status(served: ScriptedHost, **fields: object) -> host_pb2.GetStatusResponse:
    """Ask for the status."""
    return await served.stub.GetStatus(host_pb2.GetStatusRequest(**fields))  # type: ignore[arg-type]  # plain fields


@pytest.mark.parametrize("reader_id", ["ä", "a b", "x" * 65, "a/b"])
async def test_a_name_that_is_none_is_refused(served: ScriptedHost, reader_id: str) -> None:
    refused = await refusal(served.stub.GetStatus(host_pb2.GetStatusRequest(reader_id=reader_id)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert refused.fields == ["reader_id"]


async def test_an_acknowledgement_without_a_name_is_refused(served: ScriptedHost) -> None:
    cursor = (await status(served)).next_cursor
    refused = await refusal(served.stub.GetStatus(host_pb2.GetStatusRequest(acked_cursor=cursor)))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ["reader_id"])


async def test_an_acknowledgement_is_for_a_reading_of_all_sessions(served: ScriptedHost) -> None:
    await served.start("a")
    cursor = (await status(served)).next_cursor
    request = host_pb2.GetStatusRequest(reader_id="r", acked_cursor=cursor, session_ids=["a"])
    refused = await refusal(served.stub.GetStatus(request))
    assert (refused.reason, refused.fields) == ("INVALID_REQUEST", ["acked_cursor"])
    filtered = (await status(served, session_ids=["a"], reader_id="r")).next_cursor
    refused = await refusal(served.stub.GetStatus(host_pb2.GetStatusRequest(reader_id="r", acked_cursor=filtered)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "CURSOR_INVALID")


async def test_a_damaged_acknowledgement_is_refused_and_the_earlier_one_holds(served: ScriptedHost) -> None:
    await served.start("a")
    await served.complete("a")
    cursor = (await status(served)).next_cursor
    await status(served, reader_id="r", acked_cursor=cursor)
    damaged = cursor[:-1] + bytes([cursor[-1] ^ 1])
    for broken in (damaged, b"x", cursor[:12]):
        refused = await refusal(served.stub.GetStatus(host_pb2.GetStatusRequest(reader_id="r", acked_cursor=broken)))
        assert refused.reason == "CURSOR_INVALID"
    assert not served.host.retention.leases.waits_for(served.host.sessions.find("a"))


async def test_a_cursor_of_another_host_acknowledges_nothing(served: ScriptedHost) -> None:
    await served.start("a")
    await served.complete("a")
    cursor = (await status(served)).next_cursor
    await status(served, reader_id="r", acked_cursor=served.foreign_cursor(cursor, also="x"))
    assert served.host.retention.leases.waits_for(served.host.sessions.find("a"))


async def test_a_session_is_acknowledged_with_its_end_and_its_last_point(served: ScriptedHost) -> None:
    await served.start("a", epochs=20)
    await served.start("b")
    a, leases = served.host.sessions.find("a"), served.host.retention.leases
    before_the_end = (await status(served)).next_cursor
    await status(served, reader_id="r", acked_cursor=before_the_end)
    await served.complete("a")
    assert leases.waits_for(a)
    response = await status(served, reader_id="r", acked_cursor=before_the_end, cursor=before_the_end)
    assert leases.waits_for(a)
    await status(served, reader_id="r", acked_cursor=response.next_cursor)
    assert not leases.waits_for(a)
    await status(served, reader_id="other")
    assert leases.waits_for(a)


async def test_a_session_read_beside_a_longer_one_is_acknowledged_by_its_own_position(served: ScriptedHost) -> None:
    await served.start("long", epochs=50)
    await served.start("short")
    first = await status(served, page_points=4)
    await served.complete("long")
    await served.complete("short")
    response = await status(served, cursor=first.next_cursor, page_points=60)
    assert response.more
    await status(served, reader_id="r", acked_cursor=response.next_cursor)
    leases = served.host.retention.leases
    assert leases.waits_for(served.host.sessions.find("long"))
    assert not leases.waits_for(served.host.sessions.find("short"))
