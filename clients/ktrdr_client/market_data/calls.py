"""The IB host's side of the client: instruments, datasets, bars, and the gateway."""

from ktrdr_client.market_data.gateway import GatewayCalls
from ktrdr_client.market_data.stored import StoredCalls
from ktrdr_client.market_data.transfer import TransferCalls


class AsyncMarketData(GatewayCalls, StoredCalls, TransferCalls):
    """What an IB host has, reached at the address that the operations service knows it by.

    Args:
        hosts: Returns the hosts that the operations service follows.
        timeout_seconds: Deadline of each single call.
    """
