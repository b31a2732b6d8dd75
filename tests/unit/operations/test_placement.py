"""Which host an operation goes to, and what is refused because none will ever do."""

import pytest
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.host_pb2 import Host
from ktrdr.host.v1.session_pb2 import HostKind
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.errors import ServiceError
from services.operations.followed_host import FollowedHost
from services.operations.placement import NoPlaceYet, Placement
from tests.support.fake_clock import FakeClock

TRAINING, IB, UNKNOWN = HostKind.HOST_KIND_TRAINING, HostKind.HOST_KIND_IB, HostKind.HOST_KIND_UNSPECIFIED


def host(
    name: str,
    kind: "HostKind.ValueType" = TRAINING,
    *,
    up: bool = True,
    running: int = 0,
    slots: int = 1,
    draining: bool = False,
    stopping: bool = False,
) -> FollowedHost:
    told = Host(host_uid=name, slots=slots, running_sessions=running, stopping=stopping)
    seen = 0.0 if up else None
    return FollowedHost(name, "a:1", 20.0, kind=kind, description=told, draining=draining, last_success=seen)


def placement(*hosts: FollowedHost) -> Placement:
    return Placement({one.name: one for one in hosts}, FakeClock())


def chosen(*hosts: FollowedHost, wanted: str = "") -> str:
    return placement(*hosts).choose(pb.OPERATION_TYPE_TRAINING, wanted).name


def test_the_least_busy_host_for_its_size_is_chosen_and_names_decide_between_equals() -> None:
    assert chosen(host("a", running=1), host("b")) == "b"
    assert chosen(host("a", running=1, slots=1), host("b", running=2, slots=4)) == "b"
    assert chosen(host("b"), host("a")) == "a"
    assert chosen(host("a", stopping=True), host("b", running=1)) == "b"


def test_hosts_of_another_kind_out_of_sight_or_drained_are_passed_over() -> None:
    others = host("a", IB), host("b", up=False), host("c", draining=True)
    assert chosen(*others, host("d", running=9)) == "d"
    assert chosen(host("a"), host("b", running=9), wanted="b") == "b"


@pytest.mark.parametrize(
    ("hosts", "wanted", "part"),
    [
        ([host("a", up=False)], "", "no training host answers"),
        ([host("a", up=False), host("b")], "a", "host a does not answer"),
        ([host("a", UNKNOWN, up=False)], "", "no training host answers"),
        ([host("a", draining=True)], "", "ktrdr hosts drain a --undo"),
    ],
)
def test_what_has_no_place_yet_waits_and_says_why(hosts: list[FollowedHost], wanted: str, part: str) -> None:
    with pytest.raises(NoPlaceYet) as waiting:
        chosen(*hosts, wanted=wanted)
    assert part in waiting.value.wait_reason


@pytest.mark.parametrize(
    ("hosts", "wanted", "reason"),
    [
        ([], "", ErrorReason.ERROR_REASON_NO_HOST_OF_KIND),
        ([host("a", IB)], "", ErrorReason.ERROR_REASON_NO_HOST_OF_KIND),
        ([host("a")], "b", ErrorReason.ERROR_REASON_HOST_NOT_FOUND),
        ([host("a"), host("b", IB)], "b", ErrorReason.ERROR_REASON_INVALID_REQUEST),
    ],
)
def test_what_can_never_run_is_refused(hosts: list[FollowedHost], wanted: str, reason: "ErrorReason.ValueType") -> None:
    with pytest.raises(ServiceError) as refused:
        placement(*hosts).check(pb.OPERATION_TYPE_TRAINING, wanted)
    assert refused.value.reason == reason


def test_a_host_that_never_answered_may_be_of_any_kind() -> None:
    placement(host("a", IB), host("b", UNKNOWN, up=False)).check(pb.OPERATION_TYPE_TRAINING, "b")
