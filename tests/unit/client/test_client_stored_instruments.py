"""Which stored instruments a load goes on with that says nothing but symbols."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import cast

import pytest
from ktrdr.ib.v1.bars_pb2 import SECURITY_TYPE_FUTURE, SOURCE_REPLAY, Dataset, DatasetKey, Instrument
from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.data.stored_instruments import stored_instruments
from ktrdr_client.cli.invocation import UsageProblem
from ktrdr_client.instruments import parse_instrument
from ktrdr_client.specs import dataset_key


def client_with(*contracts: str) -> AsyncClient:
    """Return a client of a host that stores hourly bars of some contracts of one future."""

    async def datasets(**_: str) -> AsyncIterator[Dataset]:
        for name in contracts:
            key = DatasetKey()
            key.CopyFrom(dataset_key("ES", "1h", what_to_show="trades", use_rth=True))
            key.source = SOURCE_REPLAY
            key.instrument.CopyFrom(
                Instrument(symbol="ES", local_symbol=name, security_type=SECURITY_TYPE_FUTURE, multiplier="50")
            )
            yield Dataset(key=key)

    return cast("AsyncClient", SimpleNamespace(data=SimpleNamespace(datasets=datasets)))


async def found(symbol: str, *contracts: str) -> Instrument:
    alike = dataset_key(symbol, "1h", what_to_show="trades", use_rth=True)
    (instrument,) = await stored_instruments(client_with(*contracts), [parse_instrument(symbol)], alike, host="")
    return instrument


async def test_the_symbol_of_the_only_stored_contract_is_enough() -> None:
    instrument = await found("ES", "ESH5")
    assert (instrument.local_symbol, instrument.multiplier) == ("ESH5", "")


async def test_of_several_contracts_one_has_to_be_named() -> None:
    with pytest.raises(
        UsageProblem, match=r"several contracts are stored: ESH5, ESM5; say which(.|\n)*data load ESM5 1h"
    ):
        await found("ES", "ESH5", "ESM5")
    assert (await found("ESH5", "ESH5", "ESM5")).local_symbol == "ESH5"
