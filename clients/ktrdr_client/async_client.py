"""The client for programs that use asyncio."""

from typing import Final

from ktrdr_client.market_data.calls import AsyncMarketData
from ktrdr_client.models.calls import AsyncModels
from ktrdr_client.topics.creating import CreatingCalls
from ktrdr_client.topics.following import FollowingCalls
from ktrdr_client.topics.hosts import HostCalls
from ktrdr_client.topics.metrics import MetricCalls
from ktrdr_client.topics.steering import SteeringCalls

DEFAULT_ADDRESS: Final = "127.0.0.1:5003"
"""Where the operations service listens unless it is told otherwise."""


class AsyncClient(CreatingCalls, FollowingCalls, MetricCalls, SteeringCalls, HostCalls):
    """The operations service, for asyncio.

    Use it as a context manager, within one event loop; the channel is opened at the first call.

    Example:
        async with AsyncClient() as client:
            operation = await client.create_training(Path("strategy.yaml").read_text())
            finished = await client.wait(operation.id)
            print(finished.raise_for_error().training)

    Args:
        address: HOST:PORT of the operations service.
        timeout_seconds: Deadline of each single call.
    """

    def __init__(self, address: str = DEFAULT_ADDRESS, *, timeout_seconds: float = 10.0) -> None:
        super().__init__(address, timeout_seconds=timeout_seconds)
        self.data = AsyncMarketData(self.hosts, timeout_seconds=timeout_seconds)
        """Instruments, datasets and bars of the IB host."""
        self.models = AsyncModels(self)
        """Trained models and their files."""

    async def close(self) -> None:
        """Close the channels. Calls that still run are ended."""
        await self.data.close()
        await self.models.close()
        await super().close()
