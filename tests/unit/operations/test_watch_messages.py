"""Messages of a watch keep to their size, and each ends at a whole revision."""

from itertools import groupby

from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.watching.messages import messages_of
from services.operations.watching.pieces import Piece, Told

LIMIT = 400
SIZES = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 300)), max_size=60)


def piece(revision: int, length: int, number: int) -> Piece:
    left = pb.LeftFilter(operation_id=f"{number} {'x' * length}", revision=revision)
    data = pb.WatchOperationsResponse(left_filter=[left]).SerializeToString()
    return Piece(revision, len(data), data)


@settings(max_examples=100, deadline=None)
@given(SIZES)
def test_whole_revisions_in_messages_of_bounded_size(sizes: list[tuple[int, int]]) -> None:
    pieces = [piece(revision, length, number) for number, (revision, length) in enumerate(sizes)]
    found = messages_of(Told(pieces, []), 0, 50, LIMIT)
    reached, told = 0, []
    for message in found:
        response = pb.WatchOperationsResponse.FromString(message.data)
        assert response.revision == message.revision
        revisions = [left.revision for left in response.left_filter]
        assert all(reached < revision <= message.revision for revision in revisions)
        assert len(message.data) <= LIMIT + 10 or len({*revisions}) == 1
        told += [left.operation_id for left in response.left_filter]
        reached = message.revision
    assert sorted(told) == sorted(
        pb.WatchOperationsResponse.FromString(one.data).left_filter[0].operation_id for one in pieces
    )
    assert reached == (50 if pieces else 0)


def test_one_revision_that_is_too_large_is_parted_and_counts_with_its_last_part() -> None:
    pieces = [piece(7, 1_000_000, number) for number in range(5)]
    found = messages_of(Told([piece(5, 1, 9), *pieces], []), 0, 7, 2_000_000)
    by_revision = {revision: len(list(group)) for revision, group in groupby(found, key=lambda one: one.revision)}
    assert list(by_revision) == [5, 7]
    assert by_revision[5] > 1
    assert by_revision[7] == 1
    assert max(len(message.data) for message in found) < 4 * 2**20
