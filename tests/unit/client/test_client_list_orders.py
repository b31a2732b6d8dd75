"""Orders of lists: as people write them, as the service reads them, and as a shell completes them."""

import pytest
from ktrdr_client.cli.invocation import UsageProblem
from ktrdr_client.cli.ops_list import ORDER_FIELDS, complete_orders, contract_order


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("", ""),
        ("name", "display_name"),
        ("name desc", "display_name desc"),
        ("state, name  desc", "state, display_name desc"),
        ("create_time desc,host asc", "create_time desc, host"),
        ("display_name", "display_name"),
    ],
)
def test_a_name_is_what_the_contract_calls_display_name(text: str, order: str) -> None:
    assert contract_order(text) == order


@pytest.mark.parametrize("text", ["mood", "state down", "name,", "desc", "labels.a"])
def test_other_orders_say_what_is_allowed(text: str) -> None:
    with pytest.raises(UsageProblem, match="create_time, start_time"):
        contract_order(text)


def test_orders_are_completed() -> None:
    assert complete_orders("sta") == ["start_time", "start_time desc", "state", "state desc"]
    assert len(complete_orders("")) == 2 * len(ORDER_FIELDS)
