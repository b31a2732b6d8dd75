"""The gateway of each IB host: its own diagnosis."""

from collections.abc import Sequence

from ktrdr.ib.v1.bars_pb2 import SOURCE_IMPORTED, SOURCE_REPLAY, Dataset, Instrument

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.doctor.findings import Area, problem, skipped
from ktrdr_client.cli.doctor.services import Services
from ktrdr_client.errors import KtrdrError
from ktrdr_client.instruments import instrument_title


async def gateway_areas(client: AsyncClient, services: Services, instrument: Instrument | None) -> list[Area]:
    """Let each IB host try its gateway.

    Args:
        client: Client of the operations service.
        services: What is known of the hosts.
        instrument: Its history is asked for on trial; None for the instrument that was loaded last.
    """
    if not services.ib_hosts:
        return [Area("gateway", [skipped("gateway", "there is no IB host to ask")])]
    return [await _area(client, record.name, instrument) for record in services.ib_hosts]


async def _area(client: AsyncClient, host: str, instrument: Instrument | None) -> Area:
    name = f"gateway of {host}"
    try:
        tried = instrument or await _newest(client, host)
        answer = await client.data.diagnose(tried, host=host)
    except KtrdrError as error:
        advice = f"see how it stands: ktrdr hosts get {host}"
        return Area(name, [problem("IB host", error.message.splitlines()[0], advice)])
    if answer.source == SOURCE_REPLAY:
        name += " (REPLAY)"
    findings = list(answer.findings)
    if tried is None:
        hint = "try the permissions too: ktrdr doctor ib AAPL"
        for each in findings:
            if each.name == "permissions" and not each.advice:
                each.advice = hint
    else:
        name += f", tried with {instrument_title(tried)}"
    return Area(name, findings)


async def _newest(client: AsyncClient, host: str) -> Instrument | None:
    """Return the instrument of the dataset that was changed last, among those that came from a gateway."""
    datasets: Sequence[Dataset] = [
        each async for each in client.data.datasets(host=host) if each.key.source != SOURCE_IMPORTED
    ]
    newest = max(datasets, key=lambda each: each.update_time.ToNanoseconds(), default=None)
    return None if newest is None else newest.key.instrument
