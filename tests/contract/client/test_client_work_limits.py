"""What programs say that work gets, as it reaches the service."""

import asyncio
from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from ktrdr.host.v1.session_pb2 import SessionOptions
from ktrdr.operations.v1 import operations_pb2 as pb
from ktrdr_client import AsyncClient, Client

from tests.support.simulated_operations import simulated_operations

WANTED = SessionOptions(gpus=1, threads=2, memory_limit_bytes=2**30, niceness=3, timeout=Duration(seconds=60))


async def test_both_clients_send_limits() -> None:
    async with simulated_operations() as (registry, address):
        async with AsyncClient(address) as client:
            await client.create_training(
                "name: x", gpus=1, threads=2, memory=2**30, niceness=3, time_limit=timedelta(minutes=1)
            )
            await client.create_data_load("AAPL", "1d", start="2000-03-01", end="2000-03-02", time_limit="1m")

        def call() -> None:
            with Client(address) as client:
                client.create_training("name: x", gpus=1, threads=2, memory="1GiB", niceness=3, time_limit=60)
                client.create_data_load("AAPL", "1d", start="2000-03-01", end="2000-03-02", time_limit=60.0)
                client.create_training("name: x")

        await asyncio.to_thread(call)
        requests = [each for each in registry.requests if isinstance(each, pb.CreateOperationRequest)]
        limited, load, again, same_load, plain = requests
        assert limited.options == again.options == WANTED
        assert load.options == same_load.options == SessionOptions(timeout=Duration(seconds=60))
        assert not plain.HasField("options")


async def test_what_is_not_possible_is_sent_nowhere() -> None:
    async with simulated_operations() as (registry, address), AsyncClient(address) as client:
        with pytest.raises(ValueError, match="niceness"):
            await client.create_training("name: x", niceness=50)
        assert not registry.requests
