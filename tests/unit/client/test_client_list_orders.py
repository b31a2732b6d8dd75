"""Orders of lists: as people write them, as the service reads them, and as a shell completes them."""

import pytest
from ktrdr_client.cli.ops_list import ORDER_FIELDS, _contract_order, complete_orders


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("", ""),
        ("name", "display_name"),
        ("name desc", "display_name desc"),
        ("state, name  desc", "state, display_name desc"),
        ("create_time desc,host", "create_time desc, host"),
    ],
)
def test_a_name_is_what_the_contract_calls_display_name(text: str, order: str) -> None:
    assert _contract_order(text) == order


def test_orders_are_completed() -> None:
    assert complete_orders("sta") == ["start_time", "start_time desc", "state", "state desc"]
    assert len(complete_orders("")) == 2 * len(ORDER_FIELDS)
