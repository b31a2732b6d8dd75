"""Tombstones are found by revision, in memory and in the store."""

from hypothesis import given
from hypothesis import strategies as st

from services.operations.deletion.tombstones import Deletions, Tombstone


def _stones(*revisions: int) -> list[Tombstone]:
    return [Tombstone(f"operation-{revision}", revision) for revision in revisions]


def test_deletions_are_told_by_revision() -> None:
    deleted = Deletions(_stones(3, 7), floor=2)
    deleted.add(_stones(9, 12))

    assert deleted.between(2, 20) == _stones(3, 7, 9, 12)
    assert deleted.between(3, 11) == _stones(7, 9)
    assert deleted.between(12, 20) == []


def test_the_oldest_go_when_there_are_more_than_are_kept() -> None:
    deleted = Deletions(kept=2)
    deleted.add(_stones(1, 2, 3, 4))

    assert deleted.between(0, 10) == _stones(3, 4)
    assert deleted.floor == 2


def test_compacted_deletions_are_forgotten_and_known_to_be() -> None:
    deleted = Deletions(_stones(1, 5, 8))
    deleted.compact(5)

    assert deleted.between(0, 10) == _stones(8)
    assert (deleted.floor, deleted.compacted) == (5, 5)


@given(
    revisions=st.lists(st.integers(1, 60), unique=True),
    kept=st.integers(1, 10),
    after=st.integers(0, 60),
    length=st.integers(0, 60),
)
def test_from_the_floor_on_memory_has_everything(revisions: list[int], kept: int, after: int, length: int) -> None:
    deleted = Deletions(kept=kept)
    for revision in revisions:
        deleted.add(_stones(revision))

    wanted = _stones(*sorted(revision for revision in revisions if after < revision <= after + length))
    if after >= deleted.floor:
        assert deleted.between(after, after + length) == wanted
    assert len(deleted.between(0, 100)) <= kept
