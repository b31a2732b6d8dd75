import asyncio
import contextlib
import time

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from ktrdr.host.v1 import host_pb2, metrics_pb2
from ktrdr.host.v1.session_pb2 import HOST_KIND_TRAINING, Session

from tests.support.eventually import eventually
from tests.support.refusals import refusal
from tests.support.scripted_work import ScriptedHost
from tests.support.status_reader import stub_reader


async def test_without_a_cursor_everything_comes_until_the_snapshot_is_complete(served: ScriptedHost) -> None:
    await served.start("a", epochs=50, team="red")
    await served.start("b", epochs=50)
    reader = stub_reader(served.stub, page_points=30)
    answers = [await reader.read()]
    while answers[-1].more:
        answers.append(await reader.read())
    assert len(answers) >= 6
    assert [answer.snapshot_complete for answer in answers] == [False] * (len(answers) - 1) + [True]
    assert reader.values("a", "train_loss") == [1.0 / epoch for epoch in range(1, 51)]
    assert reader.values("b", "val_loss") == [2.0 / epoch for epoch in range(1, 51)]
    first = answers[0]
    assert first.host.name == "box-7"
    assert first.host.kind == HOST_KIND_TRAINING
    assert first.host.running_sessions == 2
    assert first.sessions[0].labels == {"team": "red"}
    assert first.sessions[0].spec.Is(Struct.DESCRIPTOR)


async def test_the_room_is_shared_among_sessions(served: ScriptedHost) -> None:
    await served.start("a", epochs=500)
    await served.start("b", epochs=500)
    answer = await served.stub.GetStatus(host_pb2.GetStatusRequest(page_points=400))
    counts = {each.id: sum(len(series.values) for series in each.metrics) for each in answer.sessions}
    assert counts == {"a": 200, "b": 200}


async def test_a_row_is_never_split_and_a_small_page_still_makes_progress(served: ScriptedHost) -> None:
    await served.start("a", epochs=3)
    await served.start("b", epochs=3)
    reader = stub_reader(served.stub, page_points=1)
    for _ in range(6):
        answer = await reader.read()
        assert sum(len(series.values) for each in answer.sessions for series in each.metrics) == 2
    assert not answer.more
    assert len(reader.values("a", "train_loss")) == len(reader.values("b", "val_loss")) == 3


async def test_with_a_cursor_only_what_changed_comes(served: ScriptedHost) -> None:
    await served.start("a", epochs=2)
    await served.start("b", epochs=2)
    reader = stub_reader(served.stub)
    await reader.drain()
    assert not (await reader.read()).sessions
    await served.work.write_epochs("b", 3, 4)
    answer = await reader.read()
    assert [each.id for each in answer.sessions] == ["b"]
    assert answer.sessions[0].metrics[0].first_seq == 2
    assert not answer.sessions[0].HasField("spec"), "the spec comes once"
    assert answer.sessions[0].progress.age.ToNanoseconds() >= 0


async def test_an_answer_can_be_asked_for_again_with_its_cursor(served: ScriptedHost) -> None:
    await served.start("a", epochs=5)
    reader = stub_reader(served.stub, page_points=4)
    first, again = await reader.ask(), await reader.ask()
    assert [each.metrics for each in first.sessions] == [each.metrics for each in again.sessions]


async def test_final_comes_once_and_last(served: ScriptedHost) -> None:
    await served.start("a", epochs=40)
    reader = stub_reader(served.stub, page_points=20)
    await reader.read()
    await served.complete("a")
    told = []
    while "a" not in reader.finals:
        await reader.read()
        told.append((reader.sessions["a"].state, reader.sessions["a"].final))
    assert told[:-1] == [(Session.STATE_COMPLETED, False)] * (len(told) - 1)
    assert len(reader.values("a", "train_loss")) == 40
    assert len(reader.cursor) < 64, "a session that was read to its end leaves no entry in the cursor"
    assert not (await reader.read()).sessions


async def test_raw_rows_hold_the_same_points(served: ScriptedHost) -> None:
    await served.start("a", epochs=5)
    session = await served.work.working("a")
    session.bridge.on_batch(1, 2, {"batch_loss": float("nan")})
    columns, rows = stub_reader(served.stub), stub_reader(served.stub, encoding=metrics_pb2.METRIC_ENCODING_ROWS)
    await columns.drain()
    await rows.drain()
    assert not rows.sessions["a"].metrics
    assert [list(block.names) for block in rows.sessions["a"].metric_rows] == [
        ["train_loss", "val_loss"],
        ["batch_loss"],
    ]
    assert repr(columns.points) == repr(rows.points)


async def test_interleaved_rows_have_their_own_seqs(served: ScriptedHost) -> None:
    await served.start("a")
    bridge = (await served.work.working("a")).bridge
    bridge.on_batch(1, 2, {"batch_loss": 1.0})
    bridge.on_epoch(1, {"train_loss": 0.5})
    bridge.on_batch(1, 2, {"batch_loss": 0.8})
    answer = await served.stub.GetStatus(host_pb2.GetStatusRequest())
    batch, epoch = answer.sessions[0].metrics
    assert (batch.name, batch.first_seq, list(batch.seqs)) == ("batch_loss", 0, [0, 2])
    assert (epoch.name, epoch.first_seq, list(epoch.seqs)) == ("train_loss", 1, [])


async def test_a_filter_narrows_the_answer_and_binds_the_cursor(served: ScriptedHost) -> None:
    await served.start("a", epochs=1)
    await served.start("b", epochs=1)
    reader = stub_reader(served.stub, session_ids=["b", "unknown"])
    answer = await reader.read()
    assert [each.id for each in answer.sessions] == ["b"]
    same = host_pb2.GetStatusRequest(cursor=answer.next_cursor, session_ids=["unknown", "b"])
    assert not (await served.stub.GetStatus(same)).sessions
    for session_ids in ([], ["b"], ["a"]):
        request = host_pb2.GetStatusRequest(cursor=answer.next_cursor, session_ids=session_ids)
        refused = await refusal(served.stub.GetStatus(request))
        assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "CURSOR_FILTER_MISMATCH")


@pytest.mark.parametrize("cursor", [b"x", b"\0" * 100, b"1234567890"])
async def test_a_cursor_that_is_none_is_refused(served: ScriptedHost, cursor: bytes) -> None:
    refused = await refusal(served.stub.GetStatus(host_pb2.GetStatusRequest(cursor=cursor)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "CURSOR_INVALID")
    assert "Begin again without a cursor" in refused.message


async def test_waiting_ends_with_the_first_change(served: ScriptedHost) -> None:
    await served.start("a", epochs=1)
    reader = stub_reader(served.stub)
    await reader.drain()
    waiting = asyncio.create_task(reader.ask(wait_seconds=60))
    await eventually(lambda: served.host.status.is_waited_for)
    await served.work.write_epochs("a", 2, 2)
    began = time.monotonic()
    answer = await waiting
    assert time.monotonic() - began < 30
    assert list(answer.sessions[0].metrics[0].values) == [0.5]
    await eventually(lambda: not served.host.status.is_waited_for)


async def test_waiting_without_a_change_ends_in_time(served: ScriptedHost) -> None:
    await served.start("a", epochs=1)
    reader = stub_reader(served.stub)
    await reader.drain()
    began = time.monotonic()
    assert not (await reader.ask(wait_seconds=0.3)).sessions
    assert 0.25 < time.monotonic() - began < 30


async def test_the_answer_comes_before_the_deadline(served: ScriptedHost) -> None:
    await served.start("a", epochs=1)
    reader = stub_reader(served.stub)
    await reader.drain()
    request = host_pb2.GetStatusRequest(cursor=reader.cursor, wait=Duration(seconds=600))
    for seconds in (1.0, 6.0, 36.0):  # a busy machine may need more than what is left of a short time
        began = time.monotonic()
        with contextlib.suppress(grpc.aio.AioRpcError):
            assert not (await served.stub.GetStatus(request, timeout=seconds)).sessions
            assert time.monotonic() - began > 0.6 * seconds
            return
    pytest.fail("no answer came before its deadline")


async def test_a_caller_that_goes_away_leaves_nobody_looking(served: ScriptedHost) -> None:
    await served.start("a", epochs=1)
    reader = stub_reader(served.stub)
    await reader.drain()
    call = served.stub.GetStatus(host_pb2.GetStatusRequest(cursor=reader.cursor, wait=Duration(seconds=60)))
    await eventually(lambda: served.host.status.is_waited_for)
    call.cancel()
    await eventually(lambda: not served.host.status.is_waited_for)


async def test_a_cursor_of_another_host_begins_anew_and_says_so(served: ScriptedHost) -> None:
    await served.start("a", epochs=2)
    await served.start("b", epochs=2)
    reader = stub_reader(served.stub, page_points=2)
    await reader.drain()
    foreign = served.foreign_cursor(reader.cursor, also="elsewhere")
    reader.cursor = foreign
    await reader.drain()
    assert sorted(reader.resets) == ["a", "b"]
    assert reader.removed == ["elsewhere"]
    assert len(reader.values("a", "train_loss")) == 2
