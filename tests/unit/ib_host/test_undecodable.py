"""Whose answer a message would have been that can't be decoded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ib_host.requests.undecodable import CURRENT_TIME, is_out_of_step, request_of


@pytest.mark.parametrize(
    ("fields", "version", "key"),
    [
        (["17", "7", "rubbish"], 176, 7),
        (["88", "7", "rubbish"], 176, 7),
        (["106", "7"], 176, 7),
        (["79", "7"], 176, 7),
        (["52", "1", "7"], 176, 7),
        (["10", "7", "AAPL"], 176, 7),
        (["10", "8", "7", "AAPL"], 157, 7),
        (["49", "1", "rubbish"], 176, CURRENT_TIME),
        (["17"], 176, None),
        (["17", "seven"], 176, None),
        (["999", "7"], 176, None),
        ([], 176, None),
    ],
)
def test_the_request_is_found_where_the_message_has_its_id(
    fields: list[str], version: int, key: int | str | None
) -> None:
    assert request_of(fields, server_version=version) == key


@given(st.lists(st.text(), max_size=4), st.sampled_from([157, 176]))
def test_whatever_comes_is_taken(fields: list[str], version: int) -> None:
    request_of(fields, server_version=version)
    if is_out_of_step(fields):
        assert request_of(fields, server_version=version) is None


@pytest.mark.parametrize(
    ("fields", "out_of_step"),
    [(["rubbish", "7"], True), (["", "7"], True), (["²"], True), (["999"], False), ([], False)],
)
def test_what_has_no_number_is_no_message(fields: list[str], out_of_step: bool) -> None:
    assert is_out_of_step(fields) is out_of_step
