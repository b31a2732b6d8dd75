"""`ktrdr ops list`."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import typer
from ktrdr.operations.v1.operations_pb2 import ListOperationsResponse, Operation

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.invocation import Invocation, UsageProblem
from ktrdr_client.cli.ops_table import print_operations
from ktrdr_client.cli.printer import Printer

ORDER_FIELDS: Final = (
    "create_time", "start_time", "end_time", "update_time", "name", "state", "type", "host", "strategy",
)  # fmt: skip
"""What lists can be ordered by."""
_NAME: Final = "display_name"
_LARGEST_PAGE: Final = 500


def complete_orders(incomplete: str) -> list[str]:
    """Return the orders that begin like this."""
    every = [order for field in ORDER_FIELDS for order in (field, f"{field} desc")]
    return [order for order in every if order.startswith(incomplete)]


Filter = Annotated[str, typer.Option("--filter", metavar="EXPR", help="state = RUNNING AND type = TRAINING")]
OrderBy = Annotated[
    str,
    typer.Option(metavar="FIELD [desc],…", help=f"Order: {', '.join(ORDER_FIELDS)}.", autocompletion=complete_orders),
]
Limit = Annotated[int, typer.Option(min=1, help="Most operations to show.")]
PageToken = Annotated[str, typer.Option(metavar="TOKEN", help="Go on where a list was cut.")]


@dataclass(frozen=True)
class Found:
    """As many operations as were asked for, and how many there are."""

    operations: Sequence[Operation]
    first: ListOperationsResponse
    next_page_token: str

    @property
    def total(self) -> str:
        """How many there are, for people."""
        least = "at least " if self.first.total_size_is_lower_bound else ""
        return f"{least}{self.first.total_size:,}"


async def list_(
    invocation: Invocation, filter_: Filter = "", order_by: OrderBy = "", limit: Limit = 50, page_token: PageToken = ""
) -> None:
    """List operations, newest first unless asked otherwise."""
    async with AsyncClient(invocation.server) as client:
        found = await find(client, filter_, contract_order(order_by), limit, page_token)
    printer = Printer(invocation)
    print_operations(
        printer,
        found.operations,
        next_page_token=found.next_page_token,
        total_size=found.first.total_size,
        total_size_is_lower_bound=found.first.total_size_is_lower_bound,
        revision=found.first.revision,
    )
    if found.next_page_token:
        same = "".join(
            f"{flag} {shlex.quote(value)} "
            for flag, value in (("--filter", filter_), ("--order-by", order_by))
            if value
        )
        printer.message(
            f"{len(found.operations):,} of {found.total} operations; go on with:\n"
            f"  ktrdr ops list {same}--limit {limit} --page-token {found.next_page_token}"
        )


async def find(client: AsyncClient, filter_text: str, order_by: str, limit: int, page_token: str) -> Found:
    """Ask for pages until there are enough: a page may be shorter than it was asked to be."""

    async def page(size: int, token: str) -> ListOperationsResponse:
        return await client.list_page(
            filter_text, order_by=order_by, page_size=min(size, _LARGEST_PAGE), page_token=token
        )

    first = await page(limit, page_token)
    operations, token = list(first.operations), first.next_page_token
    while token and len(operations) < limit:
        more = await page(limit - len(operations), token)
        operations, token = [*operations, *more.operations], more.next_page_token
    return Found(operations, first, token)


def contract_order(order_by: str) -> str:
    """Return an order in the words of the contract; people call a display_name a name.

    Raises:
        UsageProblem: There is no such field.
    """
    if not order_by.strip():
        return ""
    return ", ".join(_contract_field(part) for part in order_by.split(","))


def _contract_field(text: str) -> str:
    field, _, direction = " ".join(text.split()).partition(" ")
    if field not in {*ORDER_FIELDS, _NAME} or direction not in {"", "asc", "desc"}:
        message = f"cannot order by {text.strip()!r}; choose from {', '.join(ORDER_FIELDS)}, with or without desc"
        raise UsageProblem(message)
    name = _NAME if field == "name" else field
    return f"{name} desc" if direction == "desc" else name
