"""Trained models: found in the registry, read from a real training host."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from ktrdr.operations.v1.operations_pb2 import Operation
from ktrdr_client import (
    AlreadyExists,
    AsyncClient,
    Client,
    DownloadProgress,
    FailedPrecondition,
    NotFound,
    Unavailable,
)
from ktrdr_client.cli.complete_operations import complete_models

from tests.support.finished_operations import failed, running_training
from tests.support.model_folders import CARD, FILES, artifacts_of, version_of, write_model
from tests.support.modelled_operations import HOST, ended_before, follow_host, training_with_model
from tests.support.simulated_operations import SimulatedRegistry, simulated_operations
from tests.support.training_service import served_training_host

ID = "op0000000001"


@dataclass(frozen=True)
class Served:
    """A registry with two models, a host that has them, and a client."""

    registry: SimulatedRegistry
    address: str
    client: AsyncClient
    version: str


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    home = tmp_path / "home"
    first = write_model(home, "first-1", number=1)
    second = write_model(home, "second-1", {"model.safetensors": b"x"}, number=2)
    async with (
        served_training_host(home) as host,
        simulated_operations() as (registry, address),
        AsyncClient(address) as client,
    ):
        follow_host(registry, host.address)
        await registry.put(training_with_model(ID, first))
        other = training_with_model("op0000000002", second, {"model.safetensors": b"x"}, name="other")
        await registry.put(ended_before(other, timedelta(days=1)))
        await registry.put(running_training("op0000000003"))
        await registry.put(failed(running_training("op0000000004")))
        yield Served(registry, address, client, version_of(first))


async def test_models_are_listed_newest_first(served: Served) -> None:
    async with aclosing(served.client.models.list()) as models:
        found = [model async for model in models]
    assert [model.operation_id for model in found] == [ID, "op0000000002"]
    model = found[0]
    assert (model.strategy, model.version, model.host, model.session_id) == ("swing", served.version, HOST, "first-1")
    async with aclosing(served.client.models.list('display_name = "other"')) as models:
        assert [model.operation_id async for model in models] == ["op0000000002"]


async def test_a_model_tells_its_files_and_its_card(served: Served) -> None:
    files = await served.client.models.get(ID)
    assert (list(files.files), files.version) == (artifacts_of(FILES), served.version)
    assert await served.client.models.read(ID, "model_card.md") == CARD.encode()
    assert await served.client.models.read(ID, "model.safetensors") == FILES["model.safetensors"]


async def test_a_model_is_downloaded_whole_and_once(served: Served, tmp_path: Path) -> None:
    told: list[DownloadProgress] = []
    downloaded = await served.client.models.download(ID, tmp_path / "a/b", on_progress=told.append)
    assert downloaded.version == served.version
    assert {path.name: path.read_bytes() for path in downloaded.folder.iterdir()} == FILES
    total = sum(map(len, FILES.values()))
    assert (told[-1].total_received_bytes, told[-1].total_size_bytes) == (total, total)
    assert [each.total_received_bytes for each in told] == sorted({each.total_received_bytes for each in told})
    told.clear()
    times = {path.name: path.stat().st_mtime_ns for path in downloaded.folder.iterdir()}
    await served.client.models.download(ID, downloaded.folder, on_progress=told.append)
    assert {path.name: path.stat().st_mtime_ns for path in downloaded.folder.iterdir()} == times
    assert len(told) == len(FILES)


async def test_some_files_only(served: Served, tmp_path: Path) -> None:
    await served.client.models.download(ID, tmp_path / "some", names=["strategy.yaml", "training.json"])
    assert sorted(path.name for path in (tmp_path / "some").iterdir()) == ["strategy.yaml", "training.json"]
    with pytest.raises(NotFound, match=r"it has metadata\.json, model\.safetensors"):
        await served.client.models.download(ID, tmp_path / "some", names=["weights"])
    with pytest.raises(NotFound, match="no file 'weights'"):
        await served.client.models.read(ID, "weights")


async def test_other_files_are_not_overwritten_unless_that_is_wanted(served: Served, tmp_path: Path) -> None:
    (tmp_path / "strategy.yaml").write_text("mine")
    with pytest.raises(AlreadyExists, match="--overwrite"):
        await served.client.models.download(ID, tmp_path, names=["strategy.yaml"])
    assert (tmp_path / "strategy.yaml").read_text() == "mine"
    await served.client.models.download(ID, tmp_path, names=["strategy.yaml"], overwrite=True)
    assert (tmp_path / "strategy.yaml").read_bytes() == FILES["strategy.yaml"]
    assert not (tmp_path / "strategy.yaml.part").exists()


async def test_downloads_at_the_same_time_do_not_disturb_each_other(served: Served, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    await asyncio.gather(*(served.client.models.download(ID, folder) for _ in range(8)))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES


@pytest.mark.parametrize(
    ("operation_id", "kind", "words"),
    [
        (
            "op0000000003",
            FailedPrecondition,
            "is RUNNING; it has a model when it is COMPLETED\n  wait for it: ktrdr ops",
        ),
        ("op0000000004", FailedPrecondition, "is FAILED and has no model\n  try it again: ktrdr ops retry"),
        ("op0000000009", NotFound, "no operation"),
    ],
)
async def test_operations_without_a_model_say_why(
    served: Served, operation_id: str, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        await served.client.models.get(operation_id)


async def test_a_load_has_no_model(served: Served) -> None:
    await served.registry.put(Operation(id="op0000000005", state=Operation.STATE_COMPLETED))
    with pytest.raises(NotFound, match="is no training"):
        await served.client.models.get("op0000000005")


async def test_the_model_of_an_earlier_attempt(served: Served) -> None:
    operation = served.registry.operations[ID]
    retried = running_training(ID)
    retried.attempt = 2
    retried.past_attempts.add(
        attempt=1, state=Operation.STATE_COMPLETED, host=HOST, session_id="first-1", end_time=operation.end_time,
        training_result=operation.training_result,
    )  # fmt: skip
    await served.registry.put(retried)
    assert (await served.client.models.get(ID, attempt=1)).version == served.version
    with pytest.raises(FailedPrecondition, match="RUNNING"):
        await served.client.models.get(ID)
    with pytest.raises(NotFound, match="no attempt 3"):
        await served.client.models.get(ID, attempt=3)


async def test_hosts_that_cannot_be_asked_are_named(served: Served, tmp_path: Path) -> None:
    operation = served.registry.operations[ID]
    for host, session_id, kind, words in (
        ("other", "first-1", Unavailable, "training host 'other' at 127.0.0.1:1 does not answer"),
        ("gone", "first-1", NotFound, "no longer follows the host 'gone'"),
        (HOST, "removed", NotFound, "train it again: ktrdr ops retry"),
    ):
        operation.host, operation.session_id = host, session_id
        await served.registry.put(operation)
        with pytest.raises(kind, match=words):
            await served.client.models.download(ID, tmp_path / "none")
    assert not (tmp_path / "none").exists()


async def test_the_same_without_asyncio(served: Served, tmp_path: Path) -> None:
    def script() -> tuple[list[str], str, bytes, int]:
        received: list[int] = []
        with Client(served.address) as client:
            ids = [model.operation_id for model in client.models.list()]
            version = client.models.get(ID).version
            card = client.models.read(ID, "model_card.md")
            client.models.download(
                ID, tmp_path / "model", on_progress=lambda progress: received.append(progress.total_received_bytes)
            )
        return ids, version, card, received[-1]

    ids, version, card, received_bytes = await asyncio.to_thread(script)
    assert (ids, version, card) == ([ID, "op0000000002"], served.version, CARD.encode())
    assert received_bytes == sum(map(len, FILES.values()))
    digest = hashlib.sha256((tmp_path / "model/model.safetensors").read_bytes()).hexdigest()
    assert digest == hashlib.sha256(FILES["model.safetensors"]).hexdigest()


async def test_a_shell_completes_ids_of_models(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KTRDR_SERVER", served.address)
    assert await asyncio.to_thread(complete_models, "op") == [
        (ID, "swing, COMPLETED"),
        ("op0000000002", "other, COMPLETED"),
    ]
    assert [word for word, _ in await asyncio.to_thread(complete_models, "la")] == ["last"]
    monkeypatch.setenv("KTRDR_SERVER", "127.0.0.1:1")
    assert await asyncio.to_thread(complete_models, "op") == []
