"""Values as text fields."""

import pytest

from services.ib_host.replay.fields import Field, FieldReader, MalformedRequestError, encode_field


@pytest.mark.parametrize(
    ("value", "text"), [(True, "1"), (False, "0"), (None, ""), (7, "7"), (29.64, "29.64"), (-1, "-1"), ("AAPL", "AAPL")]
)
def test_values_are_written_as_gateways_write_them(value: Field, text: str) -> None:
    assert encode_field(value) == text


def test_fields_are_read_in_order_and_unset_numbers_are_zero() -> None:
    fields = FieldReader(["8", "42", "AAPL", "", "1.5", "1", ""])
    fields.skip()
    assert fields.read_request_id() == 42
    assert (fields.text(), fields.integer(), fields.number(), fields.flag(), fields.flag()) == (
        "AAPL",
        0,
        1.5,
        True,
        False,
    )
    assert fields.request_id == 42


def test_a_missing_field_is_named() -> None:
    fields = FieldReader(["1"])
    fields.skip()
    with pytest.raises(MalformedRequestError, match="field 2 is missing"):
        fields.text()


@pytest.mark.parametrize("text", ["x", "1.5", "9" * 5000])
def test_a_field_that_is_no_whole_number_is_named(text: str) -> None:
    with pytest.raises(MalformedRequestError, match="field 1 should be a whole number"):
        FieldReader([text]).integer()


def test_a_field_that_is_no_number_is_named() -> None:
    with pytest.raises(MalformedRequestError, match="field 1 should be a number: 'x'"):
        FieldReader(["x"]).number()
