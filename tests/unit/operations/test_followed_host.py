"""How a host stands is computed from ages and failures, and who has a session from identities."""

import pytest
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.followed_host import FollowedHost, owner_of
from services.operations.operation_state import OperationState

State = pb.HostRecord.State


@pytest.mark.parametrize(
    ("last_success", "failures", "state", "liveness"),
    [
        (None, 0, State.STATE_UNSPECIFIED, pb.LIVENESS_UNSPECIFIED),
        (None, 2, State.STATE_STALE, pb.LIVENESS_STALE),
        (None, 3, State.STATE_UNREACHABLE, pb.LIVENESS_UNREACHABLE),
        (100.0, 0, State.STATE_UP, pb.LIVENESS_FRESH),
        (61.0, 0, State.STATE_UP, pb.LIVENESS_FRESH),
        (99.0, 1, State.STATE_UP, pb.LIVENESS_FRESH),
        (99.0, 2, State.STATE_STALE, pb.LIVENESS_STALE),
        (99.0, 3, State.STATE_UNREACHABLE, pb.LIVENESS_UNREACHABLE),
        (56.5, 0, State.STATE_UP, pb.LIVENESS_FRESH),
        (55.5, 0, State.STATE_STALE, pb.LIVENESS_STALE),
        (19.0, 0, State.STATE_UNREACHABLE, pb.LIVENESS_UNREACHABLE),
    ],
)
def test_two_missed_polls_are_stale_and_more_are_out_of_reach(
    last_success: float | None,
    failures: int,
    state: "State.ValueType",
    liveness: "pb.Liveness.ValueType",
) -> None:
    host = FollowedHost("gpu", "a:1", expected_seconds=20.0, last_success=last_success, failures=failures)
    assert host.state(100.0) == state
    assert host.liveness(100.0) == liveness


def test_ages_are_told_as_durations() -> None:
    host = FollowedHost("gpu", "a:1", 20.0, last_success=90.0, pause_seconds=1.5, draining=True, problem="")
    record = host.record(100.0)
    assert record.last_success_age.ToTimedelta().total_seconds() == 10.0
    assert record.poll_interval.ToTimedelta().total_seconds() == 1.5
    assert record.draining
    assert not FollowedHost("gpu", "a:1", 20.0).record(100.0).HasField("last_success_age")


def test_a_session_belongs_to_an_identity_and_not_to_a_name() -> None:
    a = FollowedHost("a", "a:1", 20.0, host_uid="uid-a")
    b = FollowedHost("b", "b:1", 20.0, host_uid="uid-b")
    unknown = FollowedHost("c", "c:1", 20.0)
    hosts = {"a": a, "b": b, "c": unknown}

    def owner(host_uid: str, name: str) -> FollowedHost | None:
        return owner_of(hosts, OperationState(pb.Operation(host=name), host_uid=host_uid))

    assert owner("uid-b", "a") is b
    assert owner("", "a") is a
    assert owner("uid-gone", "a") is None
    assert owner("uid-gone", "c") is unknown
    assert owner("", "nobody") is None
