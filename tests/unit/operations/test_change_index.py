"""The index of latest states, and the counter behind it."""

import pytest
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.errors import ServiceError
from services.operations.change_index import ChangeIndex
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import OperationState, State
from services.operations.revisions import Revisions


def operation(operation_id: str, revision: int, state: "State.ValueType" = State.STATE_RUNNING) -> LiveOperation:
    return LiveOperation(OperationState(pb.Operation(id=operation_id, revision=revision, state=state)))


def ids(found: list[LiveOperation]) -> list[str]:
    return [one.id for one in found]


def test_changes_come_in_the_order_of_revisions_within_the_asked_range() -> None:
    index = ChangeIndex(floor=0)
    one, two, three = operation("1", 1), operation("2", 2), operation("3", 3)
    for each in (one, two, three):
        index.touch(each)
    one.record.revision = 4
    index.touch(one)
    assert ids(index.changed(0, 9)) == ["2", "3", "1"]
    assert ids(index.changed(2, 9)) == ["3", "1"]
    assert ids(index.changed(2, 3)) == ["3"]
    assert ids(index.changed(4, 9)) == []


def test_what_was_held_back_takes_its_place_before_what_was_shown_meanwhile() -> None:
    index = ChangeIndex(floor=0)
    for each in (operation("later", 6), operation("latest", 7), operation("held", 5)):
        index.touch(each)
    assert ids(index.changed(4, 9)) == ["held", "later", "latest"]
    assert ids(index.changed(5, 9)) == ["later", "latest"]


def test_memory_keeps_only_the_newest_of_those_that_ended() -> None:
    index = ChangeIndex(floor=0, recently_ended=3)
    index.touch(operation("live", 1))
    for revision in range(2, 12):
        index.touch(operation(f"ended {revision}", revision, State.STATE_COMPLETED))
    assert ids(index.changed(0, 99)) == ["live", "ended 9", "ended 10", "ended 11"]
    assert index.floor == 8
    assert index.get("ended 8") is None


def test_subscribers_hear_of_each_change_until_they_leave() -> None:
    index = ChangeIndex(floor=0)
    with index.subscription() as changed:
        index.touch(operation("1", 1))
        assert changed.is_set()
    changed.clear()
    index.touch(operation("2", 2))
    assert not changed.is_set()


def test_a_held_revision_hides_all_that_come_after_it() -> None:
    revisions = Revisions(10)
    revisions.extend(100)
    first, second = revisions.hold(), revisions.hold()
    assert (first, second, revisions.issue()) == (11, 12, 13)
    assert revisions.visible == 10
    revisions.release(second)
    assert revisions.visible == 10
    revisions.release(first)
    assert revisions.visible == revisions.latest == 13


def test_nothing_is_issued_beyond_what_is_reserved() -> None:
    revisions = Revisions(10)
    assert revisions.wanted_limit() is not None
    with pytest.raises(ServiceError):
        revisions.issue()
    revisions.extend(10**9)
    assert revisions.wanted_limit() is None
    assert revisions.issue() == 11
