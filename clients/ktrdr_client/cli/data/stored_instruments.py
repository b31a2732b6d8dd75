"""Which stored instruments a load goes on with that says nothing but symbols."""

from collections.abc import Sequence

from ktrdr.ib.v1.bars_pb2 import SECURITY_TYPE_FUTURE, SOURCE_IMPORTED, DatasetKey, Instrument

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.bar_sizes import bar_size_name
from ktrdr_client.cli.invocation import UsageProblem
from ktrdr_client.instruments import instrument_title, means


async def stored_instruments(
    client: AsyncClient, wanted: Sequence[Instrument], alike: DatasetKey, *, host: str
) -> list[Instrument]:
    """Return the instruments as they are stored: the symbol of a future or an index is enough to go on with it.

    Args:
        client: Client of the operations service.
        wanted: What was asked for.
        alike: Key with the bar size, prices and hours.
        host: IB host that stores them.

    Raises:
        UsageProblem: Some of them have no such bars: how far back to begin is for people to say. Or several contracts
            of a future have them.
    """
    stored = [
        each.key.instrument
        async for each in client.data.datasets(host=host)
        if each.key.source != SOURCE_IMPORTED
        and each.key.bar_size == alike.bar_size
        and each.key.what_to_show == alike.what_to_show
        and each.key.use_rth == alike.use_rth
    ]
    found = [[each for each in stored if means(one, each)] for one in wanted]
    missing = [instrument_title(one) for one, fitting in zip(wanted, found, strict=True) if not fitting]
    if missing:
        names, bar = " ".join(missing), bar_size_name(alike.bar_size)
        message = (
            f"nothing is stored of {names} {bar} yet; say how far back to begin\n"
            f"  from a day on:              ktrdr data load {names} {bar} --start 2020-01-01\n"
            f"  all that the gateway has:   ktrdr data load {names} {bar} --mode full"
        )
        raise UsageProblem(message)
    for one, fitting in zip(wanted, found, strict=True):
        contracts = [each for each in fitting if each.security_type == SECURITY_TYPE_FUTURE]
        if len(contracts) > 1 and len(contracts) == len(fitting):
            names, bar = ", ".join(instrument_title(each) for each in contracts), bar_size_name(alike.bar_size)
            message = (
                f"of {instrument_title(one)} {bar}, several contracts are stored: {names}; say which is meant\n"
                f"  for example:                ktrdr data load {instrument_title(contracts[-1])} {bar}"
            )
            raise UsageProblem(message)
    # Of several others that fit, the gateway says which is meant, or what tells them apart.
    return [_plain(fitting[0]) if len(fitting) == 1 else one for one, fitting in zip(wanted, found, strict=True)]


def _plain(stored: Instrument) -> Instrument:
    """Return what names an instrument, without what answers say of it beside."""
    named = Instrument()
    named.CopyFrom(stored)
    for name in ("long_name", "time_zone", "multiplier"):
        named.ClearField(name)
    return named
