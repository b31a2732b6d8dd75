import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import ServiceError, reason_name
from services.host.cursor import Cursor, SessionCursor, filter_digest

uids = st.binary(min_size=16, max_size=16).filter(any).map(bytes.hex)
counts = st.integers(0, 2**63)
names = st.text("abcXYZ019._-", min_size=1, max_size=64)
positions = st.builds(SessionCursor, st.one_of(st.just(""), uids), counts, st.binary(min_size=8, max_size=8), counts)
cursors = st.builds(
    Cursor,
    uids,
    st.binary(min_size=8, max_size=8),
    counts,
    st.integers(0, 2**32 - 1),
    st.booleans(),
    st.booleans(),
    st.dictionaries(names, positions, max_size=5),
)


@given(cursors)
def test_a_cursor_comes_back_as_it_was(cursor: Cursor) -> None:
    assert Cursor.decode(cursor.encode()) == cursor


@given(cursors, st.data())
def test_any_damage_is_found(cursor: Cursor, data: st.DataObject) -> None:
    encoded = bytearray(cursor.encode())
    position = data.draw(st.integers(0, len(encoded) - 1))
    encoded[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ServiceError) as refused:
        Cursor.decode(bytes(encoded))
    assert reason_name(refused.value.reason) == "CURSOR_INVALID"


@given(cursors, st.integers(0, 200))
def test_a_part_of_a_cursor_is_none(cursor: Cursor, length: int) -> None:
    encoded = cursor.encode()
    if length < len(encoded):
        with pytest.raises(ServiceError):
            Cursor.decode(encoded[:length])


def test_a_filter_is_a_set() -> None:
    assert filter_digest(["a", "b"]) == filter_digest(["b", "a", "b"])
    assert len({filter_digest([]), filter_digest(["a"]), filter_digest(["ab"]), filter_digest(["a", "b"])}) == 4
