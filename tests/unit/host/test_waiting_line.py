from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from ktrdr.host.v1.session_pb2 import HOST_KIND_TRAINING, SessionOptions

from services.host.device_pool import DevicePool
from services.host.folder import SessionFolder
from services.host.session import HostedSession
from services.host.waiting_line import WaitingLine
from tests.support.accepted_sessions import session_record


def session(number: int, gpus: int = 0) -> HostedSession:
    record = session_record(id=f"s{number}", number=number, options=SessionOptions(gpus=gpus).SerializeToString())
    return HostedSession(SessionFolder(Path("/nowhere") / record.id), record, HOST_KIND_TRAINING)


def told(waiting: HostedSession) -> str:
    return waiting.snapshot().message.progress.wait_reason


def test_places_follow_the_order_of_acceptance_not_of_arrival() -> None:
    line = WaitingLine(1, 10, DevicePool())
    sessions = [session(number) for number in (3, 1, 2)]
    for each in sessions:
        line.add(each)
    line.tell_places(running=1)
    assert [told(each) for each in sessions] == [
        "queued, 3rd in line", "queued, 1st in line", "queued, 2nd in line",
    ]  # fmt: skip
    assert line.next(running=1) is None
    assert line.next(running=0) == (sessions[1], ())
    assert line.remove(sessions[0])
    assert not line.remove(sessions[0])
    assert len(line) == 1


def test_room_is_what_is_free_and_the_places_but_nothing_is_free_while_somebody_waits() -> None:
    line = WaitingLine(3, 2, DevicePool(["cuda:0"]))
    assert line.has_room(running=0, coming=4)
    assert not line.has_room(running=0, coming=5)
    assert not line.has_room(running=3, coming=2)
    assert not line.has_room(running=9, coming=2), "a host with fewer slots than before"
    line.add(session(1, gpus=1))
    assert line.has_room(running=1, coming=0)
    assert not line.has_room(running=1, coming=1)


def test_the_head_is_told_what_it_lacks() -> None:
    pool = DevicePool(["cuda:0", "cuda:1", "cuda:2"])
    line, head = WaitingLine(3, 9, pool), session(1, gpus=3)
    line.add(head)
    for taken, said in ((1, "2 are free"), (1, "1 is free"), (1, "none is free")):
        pool.take(f"other-{said}", taken)
        line.tell_places(running=1)
        assert told(head) == f"queued, 1st in line: waits for 3 GPUs, {said}"
    line.tell_places(running=3)
    assert told(head) == "queued, 1st in line"


@given(st.lists(st.integers(0, 3), max_size=12), st.integers(1, 4))
def test_nobody_overtakes_and_everybody_comes_to_his_turn(wishes: list[int], slots: int) -> None:
    pool = DevicePool(["cuda:0", "cuda:1", "cuda:2"])
    line = WaitingLine(slots, 99, pool)
    for number, gpus in enumerate(wishes):
        line.add(session(number, gpus))
    begun: list[int] = []
    running: list[HostedSession] = []
    while len(begun) < len(wishes):
        ready = line.next(len(running))
        if ready is None:
            pool.release(running.pop(0).id)
            continue
        head, devices = ready
        assert len(devices) == head.options.gpus
        running.append(head)
        assert len(running) <= slots
        begun.append(head.record.number)
    assert begun == sorted(begun)
