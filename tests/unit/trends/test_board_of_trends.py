"""Verdicts of operations at work: when they are stored, what silence means, restarts, ends, and stops."""

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.operations.v1 import trends_pb2 as pb

from services.common.errors import ServiceError
from services.operations.changes import Changes
from tests.support.eventually import eventually
from tests.support.trend_world import TrendWorld, by_kind


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[TrendWorld]:
    world = TrendWorld(tmp_path)
    await world.start()
    yield world
    await world.stop()


async def test_a_warning_is_stored_before_it_is_shown(world: TrendWorld) -> None:
    await world.epochs(1, 3)
    assert not world.record.verdicts  # nobody has looked yet
    assert list(await world.looked()) == ["BEST_EPOCH"]
    await world.report(4, {"train_loss": math.nan, "val_loss": 0.5})
    before = world.record.revision
    found = await world.looked()
    assert list(found) == ["BEST_EPOCH", "NOT_FINITE"]
    assert world.record.revision > before
    assert list((await world.stored()).verdicts) == list(world.record.verdicts)
    await world.report(5, {"train_loss": 1.0, "val_loss": 0.5})
    assert (await world.looked())["NOT_FINITE"].active is False
    assert by_kind(await world.stored())["NOT_FINITE"].active is False


async def test_evidence_is_told_now_and_then(world: TrendWorld) -> None:
    await world.epochs(1, 3)
    assert (await world.looked())["BEST_EPOCH"].figures["best_step"] == 3
    await world.report(4, {"val_loss": 0.1}, after_seconds=1.0)
    revision = world.record.revision
    assert (await world.looked())["BEST_EPOCH"].figures["best_step"] == 3  # it may lag for some seconds
    assert world.record.revision == revision
    await world.report(5, {"val_loss": 0.5})
    revision = world.record.revision
    assert (await world.looked())["BEST_EPOCH"].figures["best_step"] == 4
    assert world.record.revision > revision


async def test_nothing_new_is_nothing_told(world: TrendWorld) -> None:
    await world.epochs(1, 8)
    await world.looked()
    revision = world.record.revision
    await world.silence(30.0)
    await world.looked()
    assert world.record.revision == revision


async def test_a_store_that_fails_is_tried_again(world: TrendWorld) -> None:
    await world.epochs(1, 3)
    await world.looked()
    await world.report(4, {"train_loss": math.nan})
    write = world.store.write

    async def full(_: Changes) -> None:
        raise ServiceError(ErrorReason.ERROR_REASON_STORAGE_FULL, path="store")

    world.store.write = full  # type: ignore[assignment, method-assign]  # a fault, put where the disk would have it
    with pytest.raises(ServiceError):
        await world.board.look()
    assert "NOT_FINITE" not in by_kind(world.record)
    world.store.write = write  # type: ignore[method-assign]
    assert (await world.looked())["NOT_FINITE"].active


# Silence.


async def test_a_silent_training_is_stalled_until_points_come(world: TrendWorld) -> None:
    await world.epochs(1, 12)
    await world.silence(55.0)
    assert "STALLED" not in await world.looked()
    await world.silence(10.0)
    stalled = (await world.looked())["STALLED"]
    assert (stalled.active, stalled.from_step, stalled.severity) == (True, 12, pb.SEVERITY_WARNING)
    assert stalled.first_seen.ToDatetime().timestamp() == pytest.approx(
        world.clock.now().replace(tzinfo=None).timestamp() - 10, abs=5
    )
    assert by_kind(await world.stored())["STALLED"].active
    assert await world.diagnosed() == list(world.record.verdicts)
    await world.report(13, {"train_loss": 0.01, "val_loss": 0.01})
    over = (await world.looked())["STALLED"]
    assert (over.active, over.from_step, over.figures["seconds"]) == (False, 12, 75.0)
    assert by_kind(await world.stored())["STALLED"].active is False
    assert await world.diagnosed() == list(world.record.verdicts)


async def test_a_host_out_of_sight_stalls_nothing(world: TrendWorld) -> None:
    await world.epochs(1, 12)
    for _ in range(60):  # the host does not answer for ten minutes
        world.clock.advance(10.0)
        world.host.failures += 1
        assert "STALLED" not in await world.looked()
    # It is back, and has what the training wrote meanwhile: that came late, and was never silent.
    del world.session.metrics[:]
    began = round(world.clock.now().timestamp() * 1e9) - 600_000_000_000
    losses = [0.05] * 60
    for name in ("train_loss", "val_loss"):
        steps, times = range(13, 73), [began + n * 10_000_000_000 for n in range(60)]
        world.session.metrics.add(name=name, first_seq=world.seq, steps=steps, values=losses, times=times)
    world.seq += 60
    await world.answer(world.session)
    assert "STALLED" not in await world.looked()
    await world.silence(70.0)
    assert (await world.looked())["STALLED"].active


async def test_a_stall_stays_while_its_host_is_out_of_sight(world: TrendWorld) -> None:
    await world.epochs(1, 12)
    await world.silence(100.0)
    await world.looked()
    world.host.failures = 5
    world.clock.advance(600.0)
    assert (await world.looked())["STALLED"].active  # nothing is known that would take it back
    assert by_kind(world.record)["STALLED"] in await world.diagnosed()


async def test_work_that_waits_is_not_stalled(world: TrendWorld) -> None:
    await world.epochs(1, 12)
    world.session.progress.wait_reason = "waits for bars"
    del world.session.metrics[:]
    await world.answer(world.session)
    for _ in range(60):
        await world.silence(10.0)
        assert "STALLED" not in await world.looked()
    world.session.progress.wait_reason = ""
    await world.answer(world.session)
    await world.silence(55.0)
    assert "STALLED" not in await world.looked()  # the time begins anew
    await world.silence(20.0)
    assert (await world.looked())["STALLED"].active


async def test_a_stall_is_taken_back_when_the_work_says_that_it_waits(world: TrendWorld) -> None:
    await world.epochs(1, 12)
    await world.silence(100.0)
    assert (await world.looked())["STALLED"].active
    world.session.progress.wait_reason = "waits for bars"
    del world.session.metrics[:]
    await world.answer(world.session)
    await world.silence(100.0)
    assert "STALLED" not in await world.looked()


async def test_progress_without_points_is_a_sign_of_life(world: TrendWorld) -> None:
    await world.epochs(1, 12)
    world.session.progress.phase = "backtest"
    del world.session.metrics[:]
    for year in range(20):
        await world.silence(10.0)
        world.session.progress.completed = year
        world.session.progress.age.CopyFrom(Duration(seconds=1))
        await world.answer(world.session)
        assert "STALLED" not in await world.looked()
    await world.silence(70.0)
    assert (await world.looked())["STALLED"].active


async def test_too_little_was_seen_to_call_it_stalled(world: TrendWorld) -> None:
    await world.epochs(1, 5)
    await world.silence(1_000.0)
    assert "STALLED" not in await world.looked()


# Restarts.


async def test_after_a_restart_the_trends_go_on(world: TrendWorld) -> None:
    await world.epochs(1, 12)
    await world.epochs(13, 20, train_loss=0.01, val_loss=1.0)
    before = await world.looked()
    assert {"BEST_EPOCH", "OVERFITTING"} <= set(before)
    await world.restart()
    revision = world.record.revision
    assert await world.looked() == before
    assert world.record.revision == revision  # nothing is told again
    await world.epochs(21, 22, train_loss=math.nan, val_loss=2.0)
    after = await world.looked()
    assert after["NOT_FINITE"].active
    assert await world.diagnosed() == list(world.record.verdicts)


async def test_points_that_come_during_the_rebuild_are_looked_at(world: TrendWorld) -> None:
    await world.epochs(1, 30)
    await world.looked()
    await world.stop()
    await world.start()
    await world.epochs(31, 33, train_loss=0.001, val_loss=0.001)
    await eventually(lambda: not world.board.behind)
    found = await world.looked()
    assert found["BEST_EPOCH"].figures["best_step"] == 31
    assert await world.diagnosed() == list(world.record.verdicts)


async def test_a_stall_goes_on_after_a_restart(world: TrendWorld) -> None:
    await world.epochs(1, 12)
    await world.silence(100.0)
    before = (await world.looked())["STALLED"]
    await world.restart()
    assert (await world.looked())["STALLED"] == before  # the host was not seen yet
    await world.answer()
    after = (await world.looked())["STALLED"]
    assert (after.active, after.first_seen, after.from_step) == (True, before.first_seen, before.from_step)
    await world.report(13, {"train_loss": 0.1, "val_loss": 0.1})
    assert (await world.looked())["STALLED"].active is False


async def test_more_points_than_memory_is_given_to_are_read_from_the_store(world: TrendWorld) -> None:
    await world.epochs(1, 12)
    await world.looked()
    del world.session.metrics[:]
    count, began = 30_000, round(world.clock.now().timestamp() * 1e9)
    times = [began + n * 1_000_000 for n in range(count)]
    values = [1.0 if n != 25_000 else 0.001 for n in range(count)]
    world.session.metrics.add(
        name="val_loss", first_seq=world.seq, steps=range(13, 13 + count), values=values, times=times
    )
    world.seq += count
    await world.answer(world.session)
    await eventually(lambda: not world.board.behind)
    found = await world.looked()
    assert found["PLATEAU"].severity == pb.SEVERITY_WARNING
    await world.report(50_000, {"val_loss": 1.0})
    assert (await world.looked())["BEST_EPOCH"].figures["best_step"] == 13 + 25_000
    assert await world.diagnosed() == list(world.record.verdicts)


# Ends.


@pytest.mark.parametrize("state", [Session.State.STATE_COMPLETED, Session.State.STATE_FAILED])
async def test_the_end_brings_the_last_verdicts(world: TrendWorld, state: "Session.State.ValueType") -> None:
    await world.epochs(1, 12)
    await world.looked()
    await world.report(13, {"train_loss": 1.0, "val_loss": 0.01})
    ended = await world.end(state)
    best = by_kind(ended)["BEST_EPOCH"]
    assert (best.figures["best_step"], best.last_seen, best.active) == (13, best.first_seen, True)
    assert await world.diagnosed() == list(ended.verdicts)


async def test_a_failure_after_a_long_silence_says_so_and_a_completion_does_not(world: TrendWorld) -> None:
    await world.epochs(1, 12)
    await world.silence(500.0)
    ended = await world.end(Session.State.STATE_FAILED)
    assert by_kind(ended)["STALLED"].active
    assert await world.diagnosed() == list(ended.verdicts)


async def test_a_completion_after_a_long_silence_has_not_stalled(world: TrendWorld) -> None:
    await world.epochs(1, 12)
    await world.silence(500.0)
    assert (await world.looked())["STALLED"].active
    ended = await world.end()
    assert "STALLED" not in by_kind(ended)
    assert await world.diagnosed() == list(ended.verdicts)


async def test_an_end_during_the_rebuild_is_judged_afterwards(world: TrendWorld) -> None:
    await world.epochs(1, 30)
    await world.stop()
    await world.start()
    await world.report(31, {"train_loss": math.inf, "val_loss": 0.001})
    await world.end(Session.State.STATE_FAILED)

    async def judged() -> bool:
        return "NOT_FINITE" in by_kind(await world.stored())

    await eventually(judged)
    ended = await world.stored()
    assert await world.diagnosed() == list(ended.verdicts)
    assert by_kind(ended)["BEST_EPOCH"].figures["best_step"] == 31


async def test_what_has_ended_is_let_go_of(world: TrendWorld) -> None:
    await world.epochs(1, 12)
    await world.end()
    assert world.board.watched == 0


# Stops.


async def test_a_verdict_stops_the_operation(tmp_path: Path) -> None:
    world = TrendWorld(tmp_path, stop_on=(pb.VERDICT_KIND_NOT_FINITE, pb.VERDICT_KIND_BEST_EPOCH))
    await world.start()
    await world.epochs(1, 12)
    await world.looked()
    assert world.reasons == []  # a best epoch is no reason
    await world.report(13, {"train_loss": math.nan, "val_loss": 1.0})
    await world.looked()
    await eventually(lambda: world.record.cancel_requested)
    assert world.reasons == ["stopped on NOT_FINITE of train_loss: nan at 13"]
    await world.report(14, {"train_loss": math.nan, "val_loss": 1.0})
    await world.looked()
    await world.restart()
    await world.looked()
    assert len(world.reasons) == 1  # asked once
    await world.stop()


async def test_what_no_longer_holds_stops_nothing(tmp_path: Path) -> None:
    world = TrendWorld(tmp_path, stop_on=(pb.VERDICT_KIND_NOT_FINITE,))
    await world.start()
    await world.report(1, {"train_loss": math.nan})
    await world.report(2, {"train_loss": 1.0})
    assert (await world.looked())["NOT_FINITE"].active is False
    await asyncio.sleep(0)
    assert world.reasons == []
    await world.stop()


async def test_a_stop_that_was_lost_with_the_service_is_asked_for_again(tmp_path: Path) -> None:
    world = TrendWorld(tmp_path, stop_on=(pb.VERDICT_KIND_DIVERGENCE,))
    await world.start()
    await world.epochs(1, 12)
    for epoch in range(13, 18):
        await world.report(epoch, {"train_loss": 3.0**epoch, "val_loss": 1.0})
    world.stop_on = ()  # the service dies between the verdict and the stop
    assert (await world.looked())["DIVERGENCE"].active
    world.stop_on = (pb.VERDICT_KIND_DIVERGENCE,)
    await world.restart()
    await world.looked()
    await eventually(lambda: world.record.cancel_requested)
    assert world.reasons[0].startswith("stopped on DIVERGENCE of train_loss: from 0.08333 at epoch 12 to ")
    await world.stop()
