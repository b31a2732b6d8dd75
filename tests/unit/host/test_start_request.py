from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.struct_pb2 import Struct

from services.common.errors import ServiceError, reason_name
from services.host.records import SessionRecord
from services.host.start_request import REQUEST_ID_LIFETIME, AcceptedStarts, StartRequest

NOW = datetime(2024, 1, 2, tzinfo=UTC)


def request(session_id: str = "", request_id: str = "", *, epochs: int = 1, **labels: str) -> StartRequest:
    spec = Struct()
    spec.update({"epochs": epochs})
    return StartRequest("training", spec, session_id, request_id, labels=labels)


def accepted(starts: AcceptedStarts, asked: StartRequest, *, number: int = 1, at: datetime = NOW) -> SessionRecord:
    record = SessionRecord(
        id=asked.session_id or f"chosen-{number}",
        number=number,
        kind=asked.kind,
        attempt=1,
        labels={},
        request_id=asked.request_id,
        body_sha256=asked.body_sha256(),
        create_time=at,
        spec_type_url="",
        spec=b"",
    )
    starts.add(record)
    return record


def refusal(starts: AcceptedStarts, asked: StartRequest) -> str:
    with pytest.raises(ServiceError) as refused:
        starts.find(asked, NOW)
    return reason_name(refused.value.reason)


def test_the_same_start_finds_its_session() -> None:
    starts = AcceptedStarts()
    record = accepted(starts, request("a", "r", color="red"))
    assert starts.find(request("a", "r", color="red"), NOW) is record
    assert starts.find(request("a", color="red"), NOW) is record
    assert starts.find(request("b", "s"), NOW) is None


@pytest.mark.parametrize("other", [request("a", epochs=2), request("a", color="red")])
def test_another_body_under_the_session_id_is_refused(other: StartRequest) -> None:
    starts = AcceptedStarts()
    accepted(starts, request("a"))
    assert refusal(starts, other) == "SESSION_EXISTS"


@pytest.mark.parametrize("other", [request("", "r", epochs=2), request("b", "r")])
def test_another_body_under_the_request_id_is_refused(other: StartRequest) -> None:
    starts = AcceptedStarts()
    accepted(starts, request("", "r"))
    assert refusal(starts, other) == "REQUEST_ID_REUSED"


def test_a_request_id_is_free_again_after_its_lifetime() -> None:
    starts = AcceptedStarts()
    first = accepted(starts, request("", "r"))
    assert starts.find(request("", "r"), NOW + REQUEST_ID_LIFETIME - timedelta(seconds=1)) is first
    assert starts.find(request("", "r", epochs=2), NOW + REQUEST_ID_LIFETIME) is None
    second = accepted(starts, request("", "r", epochs=2), number=2, at=NOW + REQUEST_ID_LIFETIME)
    assert starts.find(request("", "r", epochs=2), NOW + REQUEST_ID_LIFETIME) is second


def test_a_start_that_failed_is_forgotten() -> None:
    starts = AcceptedStarts()
    record = accepted(starts, request("a", "r"))
    starts.remove(record)
    assert starts.find(request("a", "r", epochs=2), NOW) is None


def test_an_attempt_of_zero_is_the_first() -> None:
    spec = Struct()
    assert (
        StartRequest("training", spec, attempt=0).body_sha256()
        == StartRequest("training", spec, attempt=1).body_sha256()
    )


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (request("../up"), "session_id"),
        (request(".hidden"), "session_id"),
        (request("x" * 65), "session_id"),
        (request("a/b"), "session_id"),
        (request("", "r" * 200), "request_id"),
        (StartRequest("training", Struct(), attempt=2**31), "attempt"),
        (StartRequest("training", Struct(), labels={str(n): "" for n in range(65)}), "labels"),
        (StartRequest("training", Struct(), labels={"a": "x" * 300}), "labels['a']"),
    ],
)
def test_what_is_wrong_with_a_start_is_named(wrong: StartRequest, field: str) -> None:
    with pytest.raises(ServiceError) as refused:
        wrong.check()
    assert reason_name(refused.value.reason) == "INVALID_REQUEST"
    assert [violation.field for violation in refused.value.fields] == [field]
