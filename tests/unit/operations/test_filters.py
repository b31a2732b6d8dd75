"""The filter language: what it understands, what it refuses and where, and that memory and store agree."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.changes import Changes
from services.operations.filters import FilterSyntaxError, matches, parse_filter
from services.operations.filters.expression import AllOf, AnyOf, Comparison, Field
from services.operations.operation_state import OperationState
from services.operations.store import Store

State = pb.Operation.State


def operation(**fields: object) -> pb.Operation:
    return pb.Operation(**fields)  # type: ignore[arg-type]  # field names are the test's


def test_a_comparison_names_field_and_value() -> None:
    assert parse_filter("state = RUNNING") == Comparison(Field.STATE, "", equal=True, value=State.STATE_RUNNING)
    assert parse_filter('display_name != "a b"') == Comparison(Field.DISPLAY_NAME, "", equal=False, value="a b")
    assert parse_filter("labels.team/x=red") == Comparison(Field.LABEL, "team/x", equal=True, value="red")
    assert parse_filter('host = "q\\"uote"') == Comparison(Field.HOST, "", equal=True, value='q"uote')


def test_parentheses_decide_what_belongs_together() -> None:
    running = Comparison(Field.STATE, "", equal=True, value=State.STATE_RUNNING)
    queued = Comparison(Field.STATE, "", equal=True, value=State.STATE_QUEUED)
    load = Comparison(Field.TYPE, "", equal=True, value=pb.OPERATION_TYPE_DATA_LOAD)
    text = "(state = RUNNING OR state = queued) AND type = DATA_LOAD"
    assert parse_filter(text) == AllOf((AnyOf((running, queued)), load))
    assert parse_filter("((state = RUNNING))") == running


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_a_blank_filter_matches_everything(text: str) -> None:
    assert matches(parse_filter(text), operation())


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("colour = red", 1, "unknown field"),
        ("labels = red", 1, "unknown field"),
        ("state.x = RUNNING", 1, "unknown field"),
        ("state RUNNING", 7, "expected = or !="),
        ("state = ", 9, "expected a value"),
        ("state = AND", 9, "expected a value"),
        ("state = WALKING", 9, "PENDING"),
        ("type = CODING", 8, "TRAINING, DATA_LOAD"),
        ("state = RUNNING state = QUEUED", 17, "expected AND, OR or the end"),
        ("state = RUNNING AND", 20, "expected a field, found the end"),
        ("state = RUNNING AND type = TRAINING OR host = a", 37, "parentheses"),
        ("(state = RUNNING", 17, "expected a closing parenthesis"),
        ("state = RUNNING)", 16, "expected AND, OR or the end"),
        ('host = "open', 8, "not closed"),
        ("host ! a", 6, "unexpected"),
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


RECORDS = [
    operation(
        id=f"op{number}",
        state=state,
        type=number % 2 + 1,
        host="ab"[number % 2],
        display_name=f"name {number % 3}",
        labels={"team": "red"} if number % 3 else {},
    )
    for number, state in enumerate([State.STATE_COMPLETED, State.STATE_FAILED, State.STATE_CANCELLED] * 3)
]
FILTERS = [
    "",
    "state = COMPLETED",
    "state != COMPLETED AND host = a",
    "(state = FAILED OR state = CANCELLED) AND type = DATA_LOAD",
    'display_name = "name 1" OR labels.team = red',
    "labels.team != red",
    'labels.team = ""',
    "labels.team = red AND (host = b OR display_name = none)",
]


async def test_memory_and_store_agree_on_every_filter(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "store.sqlite3")
    states = [OperationState(record) for record in RECORDS]
    await store.write(
        Changes(
            operations=[state.row() for state in states],
            labels=[row for state in states for row in state.label_rows()],
        )
    )
    for text in FILTERS:
        expression = parse_filter(text)
        stored = {state.record.id for state in await store.read.ended_before(None, expression, 100)}
        assert stored == {record.id for record in RECORDS if matches(expression, record)}, text
    await store.close()
