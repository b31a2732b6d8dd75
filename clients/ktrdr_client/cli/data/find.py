"""`ktrdr data find`."""

from typing import Annotated, Final

import typer
from ktrdr.ib.v1.bars_pb2 import SECURITY_TYPE_FUTURE

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.data.flags import IbHost
from ktrdr_client.cli.invocation import Invocation
from ktrdr_client.cli.printer import Printer, message_values
from ktrdr_client.cli.tables import Column
from ktrdr_client.instruments import instrument_title
from ktrdr_client.states import security_type_name, source_name

_COLUMNS: Final = (
    Column("SYMBOL"),
    Column("TYPE"),
    Column("EXCHANGE"),
    Column("CURRENCY"),
    Column("CONTRACT", align="right"),
    Column("NAME", flexible=True),
)


async def find(
    invocation: Invocation,
    pattern: Annotated[str, typer.Argument(help="Beginning of a symbol, or of a word of the name.")],
    kind: Annotated[str, typer.Option("--type", metavar="TYPE", help="stock, forex, future or index.")] = "",
    host: IbHost = "",
) -> None:
    """Find instruments at the gateway."""
    printer = Printer(invocation)
    async with AsyncClient(invocation.server) as client:
        answer = await client.data.find(pattern, security_type=kind or None, host=host)
    printer.rows(
        _COLUMNS,
        [
            [
                each.symbol if each.security_type == SECURITY_TYPE_FUTURE else instrument_title(each),
                security_type_name(each.security_type) if each.security_type else "other",
                each.primary_exchange or each.exchange,
                each.currency,
                str(each.contract_id or ""),
                each.long_name,
            ]
            for each in answer.instruments
        ],
        [message_values(each) for each in answer.instruments],
        name="instruments",
        empty=f"the gateway knows nothing that begins with {pattern!r}",
    )
    if source_name(answer.source) == "REPLAY":
        printer.message("REPLAY: these are the instruments of a recording")
