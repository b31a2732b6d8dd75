"""`ktrdr gateway`: how the IB host stands with its gateway."""

from typing import Annotated, Final

import typer
from ktrdr.ib.v1.bars_pb2 import SOURCE_REPLAY
from ktrdr.ib.v1.ib_pb2 import GetGatewayResponse
from rich.text import Text

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.command import command
from ktrdr_client.cli.exit_codes import ExitCode
from ktrdr_client.cli.facts import fact
from ktrdr_client.cli.invocation import Invocation, OutputFormat
from ktrdr_client.cli.printer import Printer, message_values
from ktrdr_client.cli.words import time_text
from ktrdr_client.states import source_name
from ktrdr_client.times import duration_text

app = typer.Typer(add_completion=False)
_LINKS: Final = {
    GetGatewayResponse.LINK_UNSPECIFIED: ("not known", "yellow"),
    GetGatewayResponse.LINK_DISCONNECTED: ("not connected", "bold red"),
    GetGatewayResponse.LINK_CONNECTING: ("connecting", "yellow"),
    GetGatewayResponse.LINK_UP: ("up", "green"),
    GetGatewayResponse.LINK_IB_DOWN: ("the gateway has lost IB", "bold red"),
}


@command(app, "gateway")
async def gateway(
    invocation: Invocation,
    host: Annotated[str, typer.Option(help="IB host to ask; needed where there are several.")] = "",
) -> ExitCode:
    """Show how the IB host stands with its gateway; the exit code is 5 while that cannot be used."""
    printer = Printer(invocation)
    async with AsyncClient(invocation.server) as client:
        answer = await client.data.gateway(host=host)
    if printer.format is OutputFormat.TABLE:
        for line in gateway_lines(answer):
            printer.text(line)
    elif printer.format is OutputFormat.CSV:
        printer.rows([], [], [message_values(answer)], name="gateway")
    else:
        printer.json(message_values(answer))
    return ExitCode.OK if answer.link == GetGatewayResponse.LINK_UP else ExitCode.UNREACHABLE


def gateway_lines(answer: GetGatewayResponse) -> list[Text]:
    """Return what is known of a gateway, for people."""
    words, style = _LINKS.get(answer.link, ("not known", "yellow"))
    head = Text.assemble("gateway ", answer.address, "  ", (words, style))
    if answer.source == SOURCE_REPLAY:
        head.append("  REPLAY: recorded history, nothing comes from a market", style="yellow")
    lines = [head]
    if answer.problem:
        lines.append(fact("problem", answer.problem))
    if answer.HasField("retry_in"):
        lines.append(fact("next try", f"in {duration_text(answer.retry_in.ToTimedelta())}"))
    if answer.source:
        lines.append(fact("source", source_name(answer.source)))
    if answer.server_version:
        lines.append(fact("protocol", f"version {answer.server_version}, client id {answer.client_id}"))
    if answer.HasField("connected_for"):
        lines.append(fact("connected", f"for {duration_text(answer.connected_for.ToTimedelta())}"))
    if text := time_text(answer.gateway_time):
        lines.append(fact("its clock", f"{text} UTC"))
    lines.append(fact("requests", f"{answer.open_requests} open"))
    return lines + [
        fact("farm", f"{farm.name}: {farm.message or ('ok' if farm.ok else 'down')}") for farm in answer.farms
    ]
