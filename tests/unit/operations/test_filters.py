"""The filter language: what it understands, and what it refuses and where."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.filters import FilterSyntaxError, matches, parse_filter
from services.operations.filters.expression import AllOf, AnyOf, Comparison, Field, Not, Operator

State = pb.Operation.State


def operation(**fields: object) -> pb.Operation:
    return pb.Operation(**fields)  # type: ignore[arg-type]  # field names are the test's


def equal(field: Field, value: str | int, key: str = "") -> Comparison:
    return Comparison(field, Operator.EQUAL, value, key)


RUNNING = equal(Field.STATE, State.STATE_RUNNING)
QUEUED = equal(Field.STATE, State.STATE_QUEUED)
LOAD = equal(Field.TYPE, pb.OPERATION_TYPE_DATA_LOAD)
ON_A = equal(Field.HOST, "a")


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("state = RUNNING", RUNNING),
        ("state:running", RUNNING),
        ('display_name != "a b"', Not(equal(Field.DISPLAY_NAME, "a b"))),
        ("display_name = 'a b'", equal(Field.DISPLAY_NAME, "a b")),
        ("labels.team/x=red", equal(Field.LABEL, "red", "team/x")),
        ('labels."my team" = red', equal(Field.LABEL, "red", "my team")),
        ("labels.time = 12:30,a=b", equal(Field.LABEL, "12:30,a=b", "time")),
        ("labels.offset=-5", equal(Field.LABEL, "-5", "offset")),
        ("labels:team", Comparison(Field.LABEL, Operator.PRESENT, "", "team")),
        ("labels.team:*", Comparison(Field.LABEL, Operator.PRESENT, "", "team")),
        ("labels.team:red", equal(Field.LABEL, "red", "team")),
        ('host = "q\\"uote"', equal(Field.HOST, 'q"uote')),
        ('host = "a\\*b"', equal(Field.HOST, "a*b")),
        ("strategy = ma*", Comparison(Field.STRATEGY, Operator.LIKE, ("ma", ""))),
        ('strategy = "*m*a"', Comparison(Field.STRATEGY, Operator.LIKE, ("", "m", "a"))),
        ("notes:Slow", Comparison(Field.NOTES, Operator.CONTAINS, "slow")),
        ("swing", Comparison(Field.ANY_TEXT, Operator.CONTAINS, "swing")),
        ("attempt >= 2", Comparison(Field.ATTEMPT, Operator.GREATER_OR_EQUAL, 2)),
        ("attached = true", equal(Field.ATTACHED, 1)),
        ("verdict = overfitting", equal(Field.VERDICT, 3)),
        ("verdict:nan", equal(Field.VERDICT, 5)),
        ("end_time:*", Comparison(Field.END_TIME, Operator.PRESENT, "")),
        ("create_time < 1970-01-01T00:00:01.5Z", Comparison(Field.CREATE_TIME, Operator.LESS, 1_500_000)),
        ('create_time = "1970-01-01T01:00:00+01:00"', equal(Field.CREATE_TIME, 0)),
        ("create_time > 1970-01-02", Comparison(Field.CREATE_TIME, Operator.GREATER, 86_400_000_000)),
        ("state = (RUNNING OR QUEUED)", AnyOf((RUNNING, QUEUED))),
        ("labels.x:(a AND NOT b)", AllOf((equal(Field.LABEL, "a", "x"), Not(equal(Field.LABEL, "b", "x"))))),
    ],
)
def test_a_restriction_compares_a_field(text: str, expression: object) -> None:
    assert parse_filter(text) == expression


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("(state = RUNNING OR state = queued) AND type = DATA_LOAD", AllOf((AnyOf((RUNNING, QUEUED)), LOAD))),
        ("((state = RUNNING))", RUNNING),
        ("state = RUNNING type = DATA_LOAD AND host = a", AllOf((RUNNING, LOAD, ON_A))),
        ("state = RUNNING AND type = DATA_LOAD OR host = a", AllOf((RUNNING, AnyOf((LOAD, ON_A))))),
        ("state = RUNNING OR type = DATA_LOAD host = a", AllOf((AnyOf((RUNNING, LOAD)), ON_A))),
        ("NOT state = RUNNING", Not(RUNNING)),
        ("-state = RUNNING", Not(RUNNING)),
        ("-(state = RUNNING OR host = a) type = DATA_LOAD", AllOf((Not(AnyOf((RUNNING, ON_A))), LOAD))),
        ("NOT host = a OR -type = DATA_LOAD", AnyOf((Not(ON_A), Not(LOAD)))),
    ],
)
def test_and_or_and_not_bind_as_in_aip_160(text: str, expression: object) -> None:
    assert parse_filter(text) == expression


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_a_blank_filter_matches_everything(text: str) -> None:
    assert matches(parse_filter(text), operation())


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("colour = red", 1, "unknown field"),
        ("labels = red", 1, "unknown field"),
        ("state.x = RUNNING", 1, "unknown field"),
        ("state RUNNING", 7, "expected =, !="),
        ("state = ", 9, "expected a value"),
        ("state = AND", 9, "expected a value"),
        ("state = )", 9, "expected a value"),
        ("state = WALKING", 9, "PENDING"),
        ("type = CODING", 8, "TRAINING, DATA_LOAD"),
        ("verdict = FINE", 11, "OVERFITTING"),
        ("state > RUNNING", 7, "=, != and : only"),
        ("attached < true", 10, "=, != and : only"),
        ("attached = maybe", 12, "true or false"),
        ("attempt = two", 11, "whole number"),
        ("create_time > yesterday", 15, "no time"),
        ("create_time > 2026-01-01T00:00:00", 15, "zone"),
        ("host < a*", 8, "wildcards"),
        ("state = R*", 9, "wildcards"),
        ("host = a*b*c*d*e*f*g*h*i*j", 8, "at most 8"),
        ("labels:*", 8, "name the label"),
        ("state = RUNNING and type = TRAINING", 17, "capital letters"),
        ("has(labels)", 1, "no functions"),
        ("state = RUNNING AND", 20, "expected a field, found the end"),
        ("state = RUNNING OR", 19, "expected a field, found the end"),
        ("NOT", 4, "expected a field"),
        ("a " * 101, 201, "at most 100"),
        ("a\0b", 2, "not allowed"),
        ("(state = RUNNING", 17, "expected a closing parenthesis"),
        ("state = RUNNING)", 16, "expected AND, OR or the end"),
        ('host = "open', 8, "not closed"),
        ("host ! a", 6, "unexpected"),
        ("host = a , b", 10, "unexpected"),
        ("AND", 1, "expected a field"),
        ("(" * 40 + "host = a" + ")" * 40, 33, "nested"),
        ("host = " + "a" * 5_000, 4_001, "at most"),
    ],
)
def test_what_is_no_filter_is_refused_with_its_place(text: str, column: int, problem: str) -> None:
    with pytest.raises(FilterSyntaxError) as refused:
        parse_filter(text)
    assert refused.value.column == column
    assert problem in refused.value.problem


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_understood_or_refused_and_nothing_else(text: str) -> None:
    column = 1
    try:
        parse_filter(text)
    except FilterSyntaxError as error:
        column = error.column
    assert 1 <= column <= len(text) + 1


def test_a_missing_label_counts_as_empty() -> None:
    assert matches(parse_filter("labels.team != red"), operation())
    assert not matches(parse_filter("labels.team = red"), operation())
    assert matches(parse_filter('labels.team = ""'), operation())
