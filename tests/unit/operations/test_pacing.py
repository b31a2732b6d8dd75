"""When hosts are polled again."""

import random
import statistics

from hypothesis import given
from hypothesis import strategies as st

from services.operations.pacing import Intervals, Pacing, first_poll_delay, in_turn


def pacing(seed: int = 1) -> Pacing:
    return Pacing(Intervals(watched=0.02, shortest=1.0, longest=10.0), random.Random(seed))


def test_pauses_grow_by_half_while_nothing_changes_and_begin_anew_with_a_change() -> None:
    paces = pacing()
    pauses = [paces.after_answer(changed=False, watched=False, now=0.0) for _ in range(9)]
    assert pauses[:4] == [1.0, 1.5, 2.25, 3.375]
    assert pauses[-1] == 10.0
    assert paces.after_answer(changed=True, watched=False, now=0.0) == 1.0
    assert paces.after_answer(changed=False, watched=False, now=0.0) == 1.0


def test_somebody_who_watches_does_not_wait() -> None:
    paces = pacing()
    assert paces.after_answer(changed=True, watched=True, now=0.0) == 0.02
    assert paces.after_answer(changed=False, watched=True, now=0.0) == 0.02


def test_failures_back_off_twofold_up_to_half_a_minute_with_full_jitter() -> None:
    many = [[paces.after_failure() for _ in range(12)] for paces in map(pacing, range(400))]
    for place in range(12):
        ceiling = min(0.5 * 2**place, 30.0)
        pauses = [one[place] for one in many]
        assert max(pauses) <= ceiling
        assert abs(statistics.mean(pauses) - ceiling / 2) < ceiling / 8
        assert len(set(pauses)) > 300


def test_a_backoff_begins_anew_after_a_minute_of_health_and_not_before() -> None:
    paces = pacing()
    for _ in range(10):
        paces.after_failure()
    paces.after_answer(changed=False, watched=False, now=0.0)
    paces.after_answer(changed=False, watched=False, now=59.0)
    assert max(paces.after_failure() for _ in range(5)) > 2.0
    for now in (100.0, 160.0):
        paces.after_answer(changed=False, watched=False, now=now)
    assert paces.after_failure() <= 0.5


def test_first_polls_are_spread_evenly_and_the_same_at_each_start() -> None:
    names = [f"host-{number}" for number in range(500)]
    delays = [first_poll_delay(name, 10.0) for name in names]
    assert delays == [first_poll_delay(name, 10.0) for name in names]
    assert all(0.0 <= delay < 10.0 for delay in delays)
    assert 4.5 < statistics.mean(delays) < 5.5


@given(
    pause=st.floats(0.01, 10.0), asked_at=st.floats(0.0, 100.0), late=st.floats(0.0, 30.0), turn=st.floats(0.0, 100.0)
)
def test_a_host_comes_back_to_its_turn_however_late_it_was(
    pause: float, asked_at: float, late: float, turn: float
) -> None:
    wait = in_turn(pause, asked_at=asked_at, now=asked_at + late, turn=turn)
    next_at = asked_at + late + wait
    assert -1e-9 <= wait <= 1.25 * pause + 1e-9
    assert next_at - asked_at >= pause / 4 - 1e-9
    turns = (next_at - turn) / pause
    assert abs(turns - round(turns)) < 1e-6
    assert abs(in_turn(pause, asked_at=next_at, now=next_at, turn=turn) - pause) < 1e-6
