"""A model from its training to another machine's disk: real services, a real worker, the client."""

from contextlib import aclosing
from pathlib import Path

import pytest
from ktrdr_client import AsyncClient, InvalidArgument
from safetensors.numpy import load_file

from services.training_host.artifacts.listing import list_artifacts
from services.training_host.artifacts.version import model_version
from tests.support.registry_server import registry_server
from tests.support.tiny_trainings import STRATEGY, write_bars
from tests.support.training_service import served_training_host


async def test_a_trained_model_is_found_described_and_downloaded(tmp_path: Path) -> None:
    bars = write_bars(tmp_path / "bars.csv")
    async with (
        served_training_host(tmp_path / "host") as host,
        registry_server(tmp_path / "operations", f"gpu={host.address}") as registry,
        AsyncClient(registry.address) as client,
    ):
        operation = await client.create_training(STRATEGY, bars_path=bars, overrides={"training.epochs": "2"})
        result = (await client.wait(operation.id, 100)).raise_for_error().training
        assert result is not None
        for filter_text in ("", "strategy = tiny OR strategy = other", "host = gpu end_time > 2026-01-01"):
            async with aclosing(client.models.list(filter_text)) as models:
                found = [model async for model in models]
            assert [(model.operation_id, model.version) for model in found] == [(operation.id, result.model_version)]
        async with aclosing(client.models.list("NOT strategy = tiny")) as models:
            assert [model async for model in models] == []
        with pytest.raises(InvalidArgument, match="column 9"):
            await anext(client.models.list("state = nonsense"))

        files = await client.models.get(operation.id)
        assert (files.version, list(files.files)) == (result.model_version, list(result.artifacts))
        assert (await client.models.read(operation.id, "model_card.md")).startswith(b"# tiny")
        downloaded = await client.models.download(operation.id, tmp_path / "model")
    assert model_version(list_artifacts(downloaded.folder)) == result.model_version
    assert sum(array.size for array in load_file(downloaded.folder / "model.safetensors").values()) == result.parameters
