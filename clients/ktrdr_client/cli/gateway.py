"""`ktrdr gateway`: how the IB host stands with its gateway."""

from datetime import timedelta
from typing import Annotated, Final

import typer
from ktrdr.ib.v1.bars_pb2 import SOURCE_REPLAY
from ktrdr.ib.v1.ib_pb2 import Farm, GetGatewayResponse, Pacing
from rich.text import Text

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.command import command
from ktrdr_client.cli.exit_codes import ExitCode
from ktrdr_client.cli.facts import fact
from ktrdr_client.cli.invocation import Invocation, OutputFormat
from ktrdr_client.cli.printer import Printer, message_values
from ktrdr_client.cli.words import age_text, time_text
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
_SAME_TIME: Final = timedelta(seconds=2)


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
    if answer.reset:
        lines.append(Text.assemble(fact("IB", ""), (answer.reset, "yellow")))
    if answer.HasField("retry_in"):
        lines.append(fact("next try", f"in {duration_text(answer.retry_in.ToTimedelta())}"))
    lines += _connection_lines(answer)
    lines.append(fact("requests", _request_words(answer)))
    lines += [_window_line(each, first=not index) for index, each in enumerate(answer.pacing.windows)]
    return lines + [
        _farm_line(kind, farms, first=not index) for index, (kind, farms) in enumerate(_by_kind(answer).items())
    ]


def _connection_lines(answer: GetGatewayResponse) -> list[Text]:
    lines = [fact("socket", _socket_words(answer))]
    if answer.source:
        lines.append(fact("source", source_name(answer.source)))
    if answer.server_version:
        lines.append(fact("protocol", f"version {answer.server_version}, client id {answer.client_id}"))
    if answer.library:
        lines.append(fact("library", answer.library))
    if text := time_text(answer.gateway_time):
        lines.append(fact("its clock", f"{text} UTC{_clock_words(answer)}"))
    return lines


def _socket_words(answer: GetGatewayResponse) -> str:
    if not answer.socket_open:
        return "closed"
    if not answer.HasField("connected_for"):
        return "open"
    return f"open for {duration_text(answer.connected_for.ToTimedelta())}"


def _clock_words(answer: GetGatewayResponse) -> str:
    if answer.source == SOURCE_REPLAY:
        return ", the present of the recording"
    if not answer.HasField("clock_difference"):
        return ""
    difference = answer.clock_difference.ToTimedelta()
    if abs(difference) < _SAME_TIME:
        words = ", as the host's"
    else:
        ahead = "ahead of" if difference > timedelta() else "behind"
        words = f", {duration_text(abs(difference))} {ahead} the host's"
    return f"{words} (asked {age_text(answer.clock_check_time)} ago)" if answer.HasField("clock_check_time") else words


def _request_words(answer: GetGatewayResponse) -> str:
    pacing = answer.pacing
    parts = [f"{answer.open_requests} open"]
    parts += [f"{pacing.waiting} wait for their turn"] if pacing.waiting else []
    parts += [f"{pacing.violations} pacing violations in the last hour"] if pacing.violations else []
    parts += [f"sent {pacing.slowdown:g} times slower than allowed"] if pacing.slowdown > 1 else []
    if pacing.HasField("pause"):
        parts.append(f"loads pause for {duration_text(pacing.pause.ToTimedelta())}")
    return ", ".join(parts)


def _window_line(window: Pacing.Window, *, first: bool) -> Text:
    full = window.limit and window.used >= window.limit
    used = (f"{window.used}/{window.limit}", "yellow" if full else "")
    return Text.assemble(fact("pacing" if first else "", ""), used, f"  {window.name}")


def _by_kind(answer: GetGatewayResponse) -> dict[str, list[Farm]]:
    farms: dict[str, list[Farm]] = {}
    for farm in answer.farms:
        farms.setdefault(farm.kind or "other", []).append(farm)
    return farms


def _farm_line(kind: str, farms: list[Farm], *, first: bool) -> Text:
    line = fact("farms" if first else "", f"{kind}:")
    for index, farm in enumerate(farms):
        line.append(" " if not index else ", ")
        line.append(farm.name)
        if not farm.ok:
            line.append(f" DOWN ({farm.message})" if farm.message else " DOWN", style="bold red")
    return line
