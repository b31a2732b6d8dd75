"""Channels to hosts, at the addresses that the operations service knows them by."""

import asyncio

import grpc

from ktrdr_client.channel import open_channel


class HostChannels:
    """One channel for each address, opened at the first call there."""

    def __init__(self) -> None:
        self._channels: dict[str, grpc.aio.Channel] = {}

    def at(self, address: str) -> grpc.aio.Channel:
        """Return the channel to HOST:PORT."""
        channel = self._channels.get(address)
        if channel is None:
            channel = self._channels[address] = open_channel(address)
        return channel

    async def close(self) -> None:
        """Close all channels. Calls that still run are ended."""
        channels = list(self._channels.values())
        self._channels.clear()
        await asyncio.gather(*(channel.close() for channel in channels))
