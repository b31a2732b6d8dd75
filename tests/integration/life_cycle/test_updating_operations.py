"""Labels, notes and names can be changed at any time, and never change how an operation stands."""

import asyncio
from pathlib import Path
from typing import Any

from ktrdr.host.v1.session_pb2 import Session
from ktrdr.operations.v1 import operations_pb2 as pb

from tests.support.registry_server import RegistryServer, State, registry_server
from tests.support.simulated_host import simulated_host


async def update(registry: RegistryServer, operation_id: str, **fields: Any) -> pb.Operation:
    return await registry.stub.UpdateOperation(
        pb.UpdateOperationRequest(operation_id=operation_id, **fields), timeout=60
    )


async def test_an_operation_at_work_is_relabelled_and_goes_on(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        created = await registry.create(labels={"team": "a", "old": "1"})
        told = await update(
            registry,
            created.id,
            set_labels={"team": "b"},
            remove_labels=["old", "none"],
            notes="look",
            display_name="n",
        )
        assert (dict(told.labels), told.notes, told.display_name) == ({"team": "b"}, "look", "n")
        assert told.revision > created.revision
        host.write(created.session_id, 0, loss=0.5)
        host.finish(created.session_id)
        ended = await registry.state_reached(created.id, State.STATE_COMPLETED)
        assert (dict(ended.labels), ended.notes, ended.metric_points) == ({"team": "b"}, "look", 1)


async def test_an_ended_operation_keeps_its_end_and_survives_a_restart(tmp_path: Path) -> None:
    async with simulated_host() as host:
        async with registry_server(tmp_path, f"gpu={host.address}") as registry:
            created = await registry.create(labels={"team": "a", "old": "1"})
            host.finish(created.session_id, Session.State.STATE_FAILED)
            ended = await registry.state_reached(created.id, State.STATE_FAILED)
            told = await update(
                registry, created.id, set_labels={"team": "b"}, remove_labels=["old"], notes="why?\nbecause"
            )
            assert (told.state, told.end_time) == (ended.state, ended.end_time)
            assert [one.id for one in await registry.all('labels.team = "b"')] == [created.id]
            assert await registry.all("labels.team = a") == []
            assert await registry.all("labels.old:*") == []
            assert [one.id for one in await registry.all('notes : "because"')] == [created.id]
        async with registry_server(tmp_path, f"gpu={host.address}") as registry:
            again = await registry.get(created.id)
            assert again == told
            assert (await update(registry, created.id, notes="")).notes == ""
            assert dict((await registry.get(created.id)).labels) == {"team": "b"}


async def test_watches_are_told_of_a_change_after_the_end(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        created = await registry.create()
        host.finish(created.session_id)
        ended = await registry.state_reached(created.id, State.STATE_COMPLETED)
        async with registry.watch(after_revision=ended.revision) as watch:
            told = await update(registry, created.id, notes="good")
            seen = await watch.until(lambda one: one.notes == "good")
            assert (seen.id, seen.revision) == (created.id, told.revision)


async def test_what_changes_nothing_is_no_change(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        created = await registry.create(labels={"a": "1"})
        host.finish(created.session_id)
        ended = await registry.state_reached(created.id, State.STATE_COMPLETED)
        assert await update(registry, created.id, set_labels={"a": "1"}, remove_labels=["b"]) == ended


async def test_changes_at_the_same_time_as_the_end_are_all_there(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        created = await registry.create()

        async def label(number: int) -> None:
            if number == 10:
                host.finish(created.session_id)
            await update(registry, created.id, set_labels={f"n{number}": "x"})

        await asyncio.gather(*(label(number) for number in range(20)))
        ended = await registry.state_reached(created.id, State.STATE_COMPLETED)
        assert set(ended.labels) == {f"n{number}" for number in range(20)}
        assert len(await registry.all("labels.n7:* AND labels.n19:*")) == 1


async def test_a_retry_keeps_what_people_wrote(tmp_path: Path) -> None:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        created = await registry.create(labels={"team": "a"})
        host.finish(created.session_id)
        await registry.state_reached(created.id, State.STATE_COMPLETED)
        await update(registry, created.id, set_labels={"kind": "best"}, notes="keep")
        request = pb.RetryOperationRequest(operation_id=created.id)
        tried = (await registry.stub.RetryOperation(request, timeout=60)).operation
        assert (dict(tried.labels), tried.notes) == ({"team": "a", "kind": "best"}, "keep")
