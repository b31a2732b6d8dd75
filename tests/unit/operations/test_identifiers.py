"""Ids of operations and sessions."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.operations.identifiers import (
    Attempt,
    derived_operation_id,
    new_operation_id,
    parse_session_id,
    session_id_of,
)

ID = re.compile(r"[0-9a-hjkmnp-tv-z]{12}")


def test_new_ids_are_twelve_letters_of_crockfords_alphabet_and_differ() -> None:
    ids = {new_operation_id() for _ in range(1_000)}
    assert len(ids) == 1_000
    assert all(ID.fullmatch(one) for one in ids)


@settings(deadline=None)
@given(st.text(), st.text())
def test_derived_ids_are_functions_of_host_and_session(host_uid: str, session_id: str) -> None:
    one = derived_operation_id(host_uid, session_id)
    assert ID.fullmatch(one)
    assert one == derived_operation_id(host_uid, session_id)
    assert one != derived_operation_id(host_uid + "x", session_id)


def test_a_derived_id_is_the_same_in_every_version() -> None:
    assert derived_operation_id("uid", "by-hand") == "8bwgjxxz5web"


@settings(deadline=None)
@given(st.integers(1, 999_999_999))
def test_session_ids_tell_operation_and_attempt(attempt: int) -> None:
    operation_id = new_operation_id()
    assert parse_session_id(session_id_of(operation_id, attempt)) == Attempt(operation_id, attempt)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc-1",
        "0123456789ab",
        "0123456789ab-0",
        "0123456789ab-01",
        "0123456789al-1",
        "0123456789AB-1",
        "0123456789ab-1-2",
        "0123456789ab-1234567890",
    ],
)
def test_other_ids_are_nobodys_attempt(text: str) -> None:
    assert parse_session_id(text) is None
