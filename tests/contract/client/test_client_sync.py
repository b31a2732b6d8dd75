"""The client without asyncio: from scripts, from threads, and beside a loop that runs already."""

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from ktrdr_client import Client, NotFound, OperationDeleted, WaitTimeout

from tests.support.eventually import eventually
from tests.support.finished_operations import completed, failed, history, running_training
from tests.support.simulated_operations import SimulatedRegistry, simulated_operations

ID = "op0000000000"


@pytest.fixture
async def served() -> AsyncIterator[tuple[SimulatedRegistry, str]]:
    async with simulated_operations() as (registry, address):
        yield registry, address


async def test_a_script_creates_waits_and_reads(served: tuple[SimulatedRegistry, str]) -> None:
    registry, address = served

    def script() -> tuple[str, list[float], list[str]]:
        with Client(address) as client:
            operation = client.create_training("name: x", name="mine")
            finished = client.wait(operation.id, timeout=60)
            return finished.state, list(client.metrics(ID)["val_loss"].values), [each.id for each in client.list()]

    registry.history[ID] = [history("val_loss", [1.0, 0.5])]
    running = asyncio.create_task(asyncio.to_thread(script))
    await eventually(lambda: ID in registry.operations and registry.open_watches == 1)
    await registry.put(completed(running_training(ID)))
    assert await running == ("COMPLETED", [1.0, 0.5], [ID])
    await eventually(lambda: registry.open_watches == 0)


async def test_leaving_a_watch_ends_its_stream(served: tuple[SimulatedRegistry, str]) -> None:
    registry, address = served
    await registry.put(running_training(ID))

    def script() -> str:
        with Client(address) as client:
            for operation in client.watch():
                return operation.id
        return ""

    assert await asyncio.to_thread(script) == ID
    await eventually(lambda: registry.open_watches == 0)


async def test_errors_and_timeouts_are_the_same_as_in_the_async_client(served: tuple[SimulatedRegistry, str]) -> None:
    registry, address = served
    await registry.put(running_training(ID))

    def script() -> None:
        with Client(address) as client:
            with pytest.raises(NotFound):
                client.get("nope")
            with pytest.raises(WaitTimeout):
                client.wait(ID, timeout=0.05)

    await asyncio.to_thread(script)


async def test_clients_share_one_thread_and_the_last_one_ends_it(served: tuple[SimulatedRegistry, str]) -> None:
    _, address = served

    def threads() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name == "ktrdr-client"]

    def script() -> None:
        with Client(address) as first:
            with Client(address) as second:
                assert not list(second.list())
                assert len(threads()) == 1
            assert not list(first.list())
        assert not threads()

    await asyncio.to_thread(script)


async def test_a_closed_client_says_so(served: tuple[SimulatedRegistry, str]) -> None:
    _, address = served

    def script() -> None:
        client = Client(address)
        client.close()
        client.close()
        with pytest.raises(RuntimeError, match="closed"):
            client.hosts()

    await asyncio.to_thread(script)


async def test_a_script_steers_and_compares(served: tuple[SimulatedRegistry, str]) -> None:
    registry, address = served
    other = "op0000000001"
    await registry.put(failed(running_training(ID)))
    await registry.put(completed(running_training(other)))
    registry.history = {ID: [history("val_loss", [1.0, 0.5])], other: [history("val_loss", [2.0])]}

    def script() -> None:
        with Client(address) as client:
            assert client.retry(ID, overrides={"training.epochs": "3"}).attempt == 2
            assert client.update(ID, set_labels={"a": "b"}, notes="n", name="m").display_name == "m"
            assert client.diagnose(ID, kinds=["nan"]).attempt == 2
            found = client.compare_metrics([ID, other], series=["val_loss"])
            assert [list(each["val_loss"].values) for each in found.values()] == [[1.0, 0.5], [2.0]]
            assert client.list_page(order_by="display_name", page_size=1).total_size == 2
            assert [each.display_name for each in client.list(order_by="display_name")] == ["m", "swing"]
            assert client.register_host("h", "127.0.0.1:1", lease=timedelta(seconds=5)).lease.seconds == 5
            client.unregister_host("h")
            client.delete(other)
            first = next(iter(client.watch_events(after_revision=registry.revision - 1, known=[other])))
            assert first == OperationDeleted(other, registry.revision)

    await asyncio.to_thread(script)
