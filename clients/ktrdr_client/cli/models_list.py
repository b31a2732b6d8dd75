"""`ktrdr models list`."""

import shlex
from typing import Annotated, Final

import typer
from rich.text import Text

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.invocation import Invocation
from ktrdr_client.cli.models_words import accuracy_words, model_record
from ktrdr_client.cli.ops_list import OrderBy, PageToken, contract_order, find
from ktrdr_client.cli.printer import Printer
from ktrdr_client.cli.tables import Column
from ktrdr_client.cli.words import age_text
from ktrdr_client.models.calls import with_models
from ktrdr_client.models.model import NEWEST_FIRST, Model, has_model, model_of, short_version

_COLUMNS: Final = (
    Column("ID"),
    Column("NAME", flexible=True),
    Column("SYMBOLS", flexible=True),
    Column("TEST (MAJORITY)"),
    Column("VERSION"),
    Column("AGE", align="right"),
)


async def list_(
    invocation: Invocation,
    filter_: Annotated[
        str, typer.Option("--filter", metavar="EXPR", help='strategy = "swing" AND end_time >= 2026-01-01')
    ] = "",
    order_by: OrderBy = "",
    limit: Annotated[int, typer.Option(min=1, help="Most models to show.")] = 50,
    page_token: PageToken = "",
) -> None:
    """List the models of completed trainings, those that were ready last first unless asked otherwise."""
    order = contract_order(order_by) or NEWEST_FIRST
    async with AsyncClient(invocation.server) as client:
        found = await find(client, with_models(filter_), order, limit, page_token)
    models = [model_of(operation) for operation in found.operations if has_model(operation)]
    printer = Printer(invocation)
    printer.rows(
        _COLUMNS,
        [_row(model) for model in models],
        [model_record(model) for model in models],
        name="models",
        empty="no models; train one: ktrdr train STRATEGY.yaml" if not filter_ else "no models match the filter",
        next_page_token=found.next_page_token,
        total_size=found.first.total_size,
        total_size_is_lower_bound=found.first.total_size_is_lower_bound,
    )
    if found.next_page_token:
        flags = (("--filter", filter_), ("--order-by", order_by))
        same = "".join(f"{flag} {shlex.quote(value)} " for flag, value in flags if value)
        printer.message(
            f"{len(models):,} of {found.total} models; go on with:\n"
            f"  ktrdr models list {same}--limit {limit} --page-token {found.next_page_token}"
        )


def _row(model: Model) -> list[str | Text]:
    name = model.operation.display_name or model.strategy
    return [
        model.operation_id,
        name if model.strategy in {"", name} else f"{name} ({model.strategy})",
        " ".join(model.result.symbols),
        accuracy_words(model, short=True),
        short_version(model.version),
        age_text(model.operation.end_time),
    ]
