"""`ktrdr ops retry|label|delete` as processes against the real registry and a simulated host."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.session_pb2 import DatasetUse, Session
from ktrdr.operations.v1 import operations_pb2 as pb

from services.common.errors import ServiceError
from tests.support.eventually import eventually
from tests.support.ktrdr_command import Ktrdr
from tests.support.registry_server import RegistryServer, State, registry_server
from tests.support.simulated_host import SimulatedHost, simulated_host


@dataclass
class World:
    host: SimulatedHost
    registry: RegistryServer
    ktrdr: Ktrdr

    async def failed(self, **fields: object) -> pb.Operation:
        """Return an operation that has read a dataset and failed."""
        created = await self.registry.create(**fields)
        use = DatasetUse(fingerprint="ab" * 32, name="AAPL 1d TRADES RTH (REPLAY)", bars=1234)
        self.host.update(created.session_id, inputs=[use])
        error = ServiceError(ErrorReason.ERROR_REASON_WORKER_EXITED, exit_code=1, detail="").status()
        self.host.finish(created.session_id, Session.State.STATE_FAILED, error=error)
        return await self.registry.state_reached(created.id, State.STATE_FAILED)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with simulated_host() as host, registry_server(tmp_path, f"gpu={host.address}") as registry:
        yield World(host, registry, Ktrdr(registry.address, tmp_path))


async def test_a_failed_operation_is_tried_again_with_a_change_and_followed_to_its_end(world: World) -> None:
    ended = await world.failed(display_name="swing")
    retrying = asyncio.create_task(world.ktrdr("ops", "retry", ended.id, "--set", "training.epochs=20"))
    session_id = f"{ended.id}-2"
    await eventually(lambda: session_id in world.host.sessions)
    world.host.finish(session_id)
    done = await retrying
    assert done.code == 0
    assert f"swing ({ended.id}): attempt 2" in done.err
    assert done.out.startswith("COMPLETED")

    told = await world.ktrdr("ops", "get", ended.id)
    assert "attempt 1" in told.out
    assert "FAILED" in told.out
    assert "WORKER_EXITED" in told.out
    assert "then --set training.epochs=20" in told.out
    assert "AAPL 1d TRADES RTH (REPLAY): 1,234 bars" in told.out
    assert f"fingerprint {'ab' * 32}" in told.out


async def test_retry_detached_and_what_speaks_against_it(world: World) -> None:
    ended = await world.failed()
    detached = await world.ktrdr("ops", "retry", ended.id, "--detach", "--host", "gpu")
    assert (detached.code, detached.out.strip()) == (0, ended.id)
    running, nothing, wrong = await asyncio.gather(
        world.ktrdr("ops", "retry", ended.id),
        world.ktrdr("ops", "retry"),
        world.ktrdr("ops", "retry", ended.id, "--set", "epochs"),
    )
    assert running.code == 1
    assert f"ktrdr ops cancel {ended.id}" in running.err
    assert (nothing.code, wrong.code) == (2, 2)


async def test_a_retry_without_a_checkpoint_says_what_to_do(world: World) -> None:
    ended = await world.failed()
    reason = ErrorReason.ERROR_REASON_CHECKPOINT_NOT_FOUND
    world.host.refusal = ServiceError(reason, session_id=ended.session_id, detail="It has written none.").status()
    refused = await world.ktrdr("ops", "retry", ended.id, "--from-checkpoint")
    assert refused.code == 1
    assert "Retry without --from-checkpoint" in refused.err


async def test_labels_notes_and_name_are_changed(world: World) -> None:
    ended = await world.failed(labels={"team": "a", "old": "1"})
    change = ["--set", "team=b", "--remove", "old", "--notes", "worth a look\nagain", "--rename", "best"]
    changed, nothing = await asyncio.gather(
        world.ktrdr("ops", "label", ended.id, *change), world.ktrdr("ops", "label", ended.id)
    )
    assert changed.code == 0
    assert f"best ({ended.id}) team=b" in changed.err
    assert nothing.code == 2
    told = await world.ktrdr("ops", "get", ended.id)
    as_json = await world.ktrdr("ops", "label", ended.id, "--notes", "", "-o", "json")
    assert "worth a look" in told.out
    assert "team=b" in told.out
    assert json.loads(as_json.out)["notes"] == ""


async def test_delete_asks_where_it_can_and_removes_for_good(world: World) -> None:
    ended = await world.failed()
    unasked = await world.ktrdr("ops", "delete", ended.id)
    assert unasked.code == 2
    assert "--yes" in unasked.err
    assert (await world.registry.get(ended.id)).state == State.STATE_FAILED
    deleted = await world.ktrdr("ops", "delete", ended.id, "--yes", "-o", "json")
    assert deleted.code == 0
    assert [one["id"] for one in json.loads(deleted.out)["deleted"]] == [ended.id]
    await eventually(lambda: not world.host.sessions)


async def test_what_is_at_work_is_not_deleted(world: World) -> None:
    created = await world.registry.create()
    refused = await world.ktrdr("ops", "delete", created.id, "--yes")
    assert refused.code == 1
    assert f"ktrdr ops cancel {created.id}" in refused.err
