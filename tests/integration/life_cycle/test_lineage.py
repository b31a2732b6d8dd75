"""Operations tell what they read and which loads had left it, in whichever order the registry hears of both."""

from pathlib import Path

from ktrdr.host.v1.session_pb2 import DatasetUse, HostKind
from ktrdr.ib.v1 import bars_pb2, ib_pb2
from ktrdr.operations.v1 import operations_pb2 as pb

from tests.support.eventually import eventually
from tests.support.registry_server import RegistryServer, State, load_spec, registry_server
from tests.support.simulated_host import SimulatedHost, simulated_host

AAPL = DatasetUse(fingerprint="a" * 64, name="AAPL 1d TRADES RTH", bars=250)
FILE = DatasetUse(fingerprint="f" * 64, name="/data/own.csv", bars=10)


async def loaded(registry: RegistryServer, host: SimulatedHost, fingerprint: str = AAPL.fingerprint) -> pb.Operation:
    """Load a dataset, which has the fingerprint then."""
    created = await registry.create(data_load=load_spec())
    dataset = bars_pb2.Dataset(fingerprint=fingerprint)
    host.finish(created.session_id, result=ib_pb2.DataLoadResult(loads=[ib_pb2.InstrumentLoad(dataset=dataset)]))
    return await registry.state_reached(created.id, State.STATE_COMPLETED)


async def linked(registry: RegistryServer, operation_id: str, *loads: str) -> pb.Operation:
    """Wait until the first dataset of an operation is linked with these loads."""

    async def probe() -> pb.Operation | None:
        operation = await registry.get(operation_id)
        told = bool(operation.inputs) and list(operation.inputs[0].data_operation_ids) == list(loads)
        return operation if told else None

    found = await eventually(probe)
    assert found is not None
    return found


async def test_a_training_is_linked_with_the_loads_while_it_runs_and_after_its_end(tmp_path: Path) -> None:
    async with simulated_host() as gpu, simulated_host(HostKind.HOST_KIND_IB) as ib:
        async with registry_server(tmp_path, f"gpu={gpu.address}", f"ib={ib.address}") as registry:
            first, other = await loaded(registry, ib), await loaded(registry, ib, "b" * 64)
            second = await loaded(registry, ib)
            created = await registry.create()
            gpu.update(created.session_id, inputs=[AAPL, FILE])
            live = await linked(registry, created.id, second.id, first.id)
            assert [each.dataset for each in live.inputs] == [AAPL, FILE]
            assert list(live.inputs[1].data_operation_ids) == []
            gpu.finish(created.session_id)
            ended = await registry.state_reached(created.id, State.STATE_COMPLETED)
            assert list(ended.inputs) == list(live.inputs)
        async with registry_server(tmp_path, f"gpu={gpu.address}", f"ib={ib.address}") as registry:
            assert (await registry.get(created.id)).inputs == ended.inputs
            assert {one.id for one in await registry.all(f'dataset = "{AAPL.fingerprint}"')} == {
                first.id,
                second.id,
                created.id,
            }
            assert {one.id for one in await registry.all(f'data_operation = "{first.id}"')} == {created.id}
            assert await registry.all(f'data_operation = "{other.id}"') == []


async def test_a_load_that_is_told_of_late_is_linked_all_the_same(tmp_path: Path) -> None:
    async with (
        simulated_host() as gpu,
        simulated_host(HostKind.HOST_KIND_IB) as ib,
        registry_server(tmp_path, f"gpu={gpu.address}", f"ib={ib.address}") as registry,
    ):
        ended, running = await registry.create(), await registry.create()
        for created in (ended, running):
            gpu.update(created.session_id, inputs=[AAPL])
        gpu.finish(ended.session_id)
        await registry.state_reached(ended.id, State.STATE_COMPLETED)
        load = await loaded(registry, ib)
        before = await linked(registry, ended.id, load.id)
        await linked(registry, running.id, load.id)
        await loaded(registry, ib)  # leaves the dataset as it was: nothing is told anew for what knows its load
        gpu.finish(running.session_id)
        await registry.state_reached(running.id, State.STATE_COMPLETED)
        assert await registry.get(ended.id) == before


async def test_the_next_attempt_keeps_what_the_operation_was_found_by(tmp_path: Path) -> None:
    async with (
        simulated_host() as gpu,
        simulated_host(HostKind.HOST_KIND_IB) as ib,
        registry_server(tmp_path, f"gpu={gpu.address}", f"ib={ib.address}") as registry,
    ):
        load = await loaded(registry, ib)
        created = await registry.create()
        gpu.update(created.session_id, inputs=[AAPL])
        gpu.finish(created.session_id)
        await linked(registry, created.id, load.id)
        request = pb.RetryOperationRequest(operation_id=created.id)
        tried = (await registry.stub.RetryOperation(request, timeout=60)).operation
        newer = DatasetUse(fingerprint="c" * 64, name=AAPL.name, bars=251)
        gpu.update(tried.session_id, inputs=[newer])
        gpu.finish(tried.session_id)
        ended = await registry.state_reached(created.id, State.STATE_COMPLETED)
        assert [each.dataset for each in ended.inputs] == [AAPL, newer]
        for fingerprint in (AAPL.fingerprint, newer.fingerprint):
            found = await registry.all(f'dataset = "{fingerprint}" AND type = TRAINING')
            assert [one.id for one in found] == [created.id]


async def test_a_deleted_load_is_a_link_to_nothing_and_a_deleted_training_is_found_no_more(tmp_path: Path) -> None:
    async with (
        simulated_host() as gpu,
        simulated_host(HostKind.HOST_KIND_IB) as ib,
        registry_server(tmp_path, f"gpu={gpu.address}", f"ib={ib.address}") as registry,
    ):
        load = await loaded(registry, ib)
        created = await registry.create()
        gpu.update(created.session_id, inputs=[AAPL])
        gpu.finish(created.session_id)
        await linked(registry, created.id, load.id)
        await registry.stub.DeleteOperation(pb.DeleteOperationRequest(operation_id=load.id), timeout=60)
        assert list((await registry.get(created.id)).inputs[0].data_operation_ids) == [load.id]
        await registry.stub.DeleteOperation(pb.DeleteOperationRequest(operation_id=created.id), timeout=60)
        assert await registry.all(f'dataset = "{AAPL.fingerprint}"') == []
