import json

import pytest
from google.protobuf.struct_pb2 import Struct
from google.rpc import error_details_pb2, status_pb2
from ktrdr.host.v1.session_pb2 import Session

from services.common.errors import error_info
from services.host.folder import SessionFolder
from tests.support.host_service import KIND, ProbeHostSettings, served_host
from tests.support.session_worker import worker_spec
from tests.support.status_reader import stub_reader


def log_lines(error: status_pb2.Status) -> list[str]:
    debug = error_details_pb2.DebugInfo()
    assert any(detail.Unpack(debug) for detail in error.details if detail.Is(debug.DESCRIPTOR))
    return list(debug.stack_entries)


async def test_a_worker_completes_and_every_point_is_delivered(settings: ProbeHostSettings) -> None:
    async with served_host(settings) as (host, stub):
        started = await host.sessions.start(kind=KIND, spec=worker_spec(epochs=4), session_id="one", labels={"a": "b"})
        assert started.state == Session.STATE_RUNNING
        reader = stub_reader(stub)
        session = await reader.until_final("one")
    assert session.state == Session.STATE_COMPLETED
    assert reader.values("one", "train_loss") == [1.0, 1.0 / 2, 1.0 / 3, 1.0 / 4]
    assert session.progress.fraction == 1.0
    assert session.labels == {"a": "b"}
    assert session.create_time.ToNanoseconds() <= session.start_time.ToNanoseconds() < session.end_time.ToNanoseconds()
    assert session.worker_liveness == Session.WORKER_LIVENESS_ENDED
    result = Struct()
    assert session.result.Unpack(result)
    assert result["epochs"] == 4
    assert not session.HasField("error")


@pytest.mark.parametrize(
    ("spec", "reason", "metadata"),
    [
        ({"end": "exit", "code": 3}, "WORKER_EXITED", {"exit_code": "3"}),
        ({"end": "exit", "code": 0}, "WORKER_EXITED", {"exit_code": "0"}),
        ({"end": "segfault"}, "WORKER_KILLED", {"signal": "SIGSEGV"}),
    ],
)
async def test_a_worker_that_leaves_no_result_fails_with_what_ended_it_and_the_end_of_its_log(
    settings: ProbeHostSettings, spec: dict[str, str | float], reason: str, metadata: dict[str, str]
) -> None:
    async with served_host(settings) as (host, stub):
        await host.sessions.start(kind=KIND, spec=worker_spec(**spec), session_id="one")
        reader = stub_reader(stub)
        session = await reader.until_final("one")
    assert session.state == Session.STATE_FAILED
    info = error_info(session.error)
    assert info is not None
    assert info.reason == reason
    assert metadata.items() <= dict(info.metadata).items()
    assert any(line.endswith(f"worker ends: {spec['end']}") for line in log_lines(session.error))
    assert len(reader.values("one", "train_loss")) == 3


async def test_a_refusal_of_the_worker_arrives_with_its_reason_and_fields(settings: ProbeHostSettings) -> None:
    async with served_host(settings) as (host, stub):
        await host.sessions.start(kind=KIND, spec=worker_spec(end="fail"), session_id="one")
        session = await stub_reader(stub).until_final("one")
    assert session.state == Session.STATE_FAILED
    info = error_info(session.error)
    assert info is not None
    assert info.reason == "TOO_FEW_BARS"
    assert info.metadata["needed"] == "200"
    bad_request = error_details_pb2.BadRequest()
    assert session.error.details[1].Unpack(bad_request)
    assert bad_request.field_violations[0].field == "spec.epochs"


async def test_an_exception_in_the_worker_is_told_by_its_log_only(settings: ProbeHostSettings) -> None:
    async with served_host(settings) as (host, stub):
        await host.sessions.start(kind=KIND, spec=worker_spec(end="crash"), session_id="one")
        session = await stub_reader(stub).until_final("one")
    info = error_info(session.error)
    assert info is not None
    assert info.reason == "WORKER_EXITED"
    assert "secret" not in session.error.message
    assert log_lines(session.error)[-1] == "ValueError: a secret of the worker's own"


async def test_a_journal_of_another_layout_is_served_with_words_instead_of_points(settings: ProbeHostSettings) -> None:
    async with served_host(settings) as (host, stub):
        await host.sessions.start(kind=KIND, spec=worker_spec(end="damage"), session_id="one")
        reader = stub_reader(stub)
        session = await reader.until_final("one")
        again = await stub_reader(stub).until_final("one")
    for each in (session, again):
        assert each.state == Session.STATE_COMPLETED
        assert "99" in each.journal_damage
        assert each.final


async def test_the_keeper_writes_down_how_the_worker_ended(settings: ProbeHostSettings) -> None:
    async with served_host(settings) as (host, stub):
        await host.sessions.start(kind=KIND, spec=worker_spec(end="exit", code=7), session_id="one")
        await stub_reader(stub).until_final("one")
    folder = SessionFolder(settings.folder / "sessions" / "one")
    ended = json.loads(folder.exit_record.read_text())
    assert (ended["code"], ended["signal"]) == (7, None)
    assert ended["max_rss_bytes"] > 2**20
