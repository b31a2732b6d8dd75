"""Which of many operations at work belong to a page is found without placing all of them."""

from hypothesis import given, settings
from hypothesis import strategies as st
from ktrdr.operations.v1 import operations_pb2 as pb

from services.operations.listing import _placed
from services.operations.lists.order import parse_order
from services.operations.lists.streams import Stretch
from services.operations.live_operation import LiveOperation
from services.operations.operation_state import OperationState

ORDERS = ["", "create_time", "state", "state desc", "host desc, create_time", "display_name desc", "type, host"]


@settings(deadline=None, max_examples=200)
@given(
    spread=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 4), st.sampled_from("ab")), max_size=30),
    order_text=st.sampled_from(ORDERS),
    limit=st.integers(1, 12),
    places=st.tuples(st.integers(-1, 30), st.integers(-1, 30)),
)
def test_the_first_of_a_stretch_are_all_there(
    spread: list[tuple[int, int, str]], order_text: str, limit: int, places: tuple[int, int]
) -> None:
    order = parse_order(order_text)
    operations = []
    for number, (created, state, host) in enumerate(spread):
        record = pb.Operation(id=f"op{number:02}", state=state, host=host, display_name=host)  # type: ignore[arg-type]  # a number of the enum
        record.create_time.FromSeconds(created)
        operations.append(LiveOperation(OperationState(record)))
    ordered = sorted((order.sort_key(order.place_of(one.record)), order.place_of(one.record)) for one in operations)
    at = [ordered[place][1] if 0 <= place < len(ordered) else None for place in places]
    stretch = Stretch(*at)
    inside = [
        place
        for key, place in ordered
        if (stretch.after is None or key > order.sort_key(stretch.after))
        and (stretch.up_to is None or key <= order.sort_key(stretch.up_to))
    ]
    found = sorted(_placed(operations, order, stretch, limit), key=lambda each: each[0])
    assert [place for _, (place, _) in found[:limit]] == inside[:limit]
