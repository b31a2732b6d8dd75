"""The command: looks at the areas one after the other, as they depend on each other."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from enum import StrEnum
from typing import Annotated

import typer
from ktrdr.ib.v1.bars_pb2 import Instrument

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.data.instrument_flags import InstrumentFlags, takes_instrument
from ktrdr_client.cli.doctor.findings import Area, area_lines, conclusion, finding_records, has_problem
from ktrdr_client.cli.doctor.gateway import gateway_areas
from ktrdr_client.cli.doctor.gpu import gpu_area
from ktrdr_client.cli.doctor.services import look_at_services
from ktrdr_client.cli.doctor.store import store_areas
from ktrdr_client.cli.exit_codes import ExitCode
from ktrdr_client.cli.invocation import Invocation, OutputFormat
from ktrdr_client.cli.printer import Printer


class Topic(StrEnum):
    """What can be looked at by itself."""

    IB = "ib"
    STORE = "store"
    GPU = "gpu"


@takes_instrument
async def doctor(
    invocation: Invocation,
    topic: Annotated[
        Topic | None, typer.Argument(help="Look only at this.", show_default="all, and the services too")
    ] = None,
    symbol: Annotated[
        str, typer.Argument(help="Ask for its history on trial.", show_default="what was loaded last")
    ] = "",
    *,
    about: InstrumentFlags,
    host: Annotated[str, typer.Option(help="Only this host.")] = "",
) -> ExitCode:
    """Look for what is wrong with services, gateway, stored bars and GPUs, and say what to do.

    The exit code is 1 if something does not work.
    """
    printer = Printer(invocation)
    instrument = about.instrument(symbol) if symbol else None
    width = printer.out.width if printer.out.is_terminal else None
    areas = []
    async with (
        AsyncClient(invocation.server) as client,
        aclosing(_areas(client, invocation, topic, instrument, host)) as found,
    ):
        async for area in found:
            areas.append(area)
            if printer.format is OutputFormat.TABLE:
                for line in area_lines(area, coloured=printer.coloured, width=width):
                    printer.text(line)
    if printer.format is OutputFormat.TABLE:
        printer.message(conclusion(areas))
    else:
        printer.rows([], [], finding_records(areas), name="findings")
    return ExitCode.REFUSED if has_problem(areas) else ExitCode.OK


async def _areas(
    client: AsyncClient, invocation: Invocation, topic: Topic | None, instrument: Instrument | None, host: str
) -> AsyncGenerator[Area, None]:
    """Look at one area after the other; each is told as soon as it is known."""
    services = await look_at_services(client, invocation, host)
    if topic is None or has_problem([Area("", services.findings)]):
        yield Area("services", services.findings)
    if topic in {None, Topic.IB}:
        for area in await gateway_areas(client, services, instrument):
            yield area
    if topic in {None, Topic.STORE}:
        for area in await store_areas(client, services, invocation):
            yield area
    if topic in {None, Topic.GPU}:
        yield gpu_area(services)
