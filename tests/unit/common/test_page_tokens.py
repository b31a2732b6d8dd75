"""Page tokens: opaque, and good for the list that made them only."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import ServiceError
from services.common.page_tokens import decode_page_token, encode_page_token


@settings(deadline=None)
@given(st.text(), st.integers(0, 2**63 - 1), st.text(max_size=50))
def test_a_token_gives_its_position_back(binding: str, number: int, text: str) -> None:
    token = encode_page_token(binding, [number, text])
    assert token.isascii()
    assert decode_page_token(binding, token, (int, str)) == [number, text]


@pytest.mark.parametrize("token", ["x", "AAAA", "!" * 30, "é", "A" * 3_000, encode_page_token("other", [1, "a"])])
def test_other_tokens_are_refused(token: str) -> None:
    with pytest.raises(ServiceError) as refused:
        decode_page_token("list", token, (int, str))
    assert refused.value.reason == ErrorReason.ERROR_REASON_PAGE_TOKEN_INVALID


def test_a_token_of_another_shape_is_refused() -> None:
    with pytest.raises(ServiceError):
        decode_page_token("list", encode_page_token("list", ["a"]), (int,))


@settings(deadline=None)
@given(st.data())
def test_a_changed_token_never_leads_elsewhere(data: st.DataObject) -> None:
    position: list[int | str] = [123_456, "operation"]
    token = encode_page_token("list", position)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from([c for c in "ABCDabcd0123-_" if c != token[place]]))
    changed = token[:place] + other + token[place + 1 :]
    read = position  # some letters differ in bits that base64 does not use
    with contextlib.suppress(ServiceError):
        read = decode_page_token("list", changed, (int, str))
    assert read == position
