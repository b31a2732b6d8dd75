"""`ktrdr models` as processes, against a real training host and one whose streams stand still."""

import asyncio
import csv
import io
import json
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tests.support.finished_operations import running_training
from tests.support.fragile_models import fragile_models
from tests.support.ktrdr_command import Ktrdr, ended
from tests.support.model_folders import FILES, artifacts_of, version_of, write_model
from tests.support.modelled_operations import ended_before, follow_host, training_with_model
from tests.support.modelled_session import ModelledSession
from tests.support.simulated_operations import SimulatedRegistry, simulated_operations
from tests.support.training_service import served_training_host

ID = "op0000000001"
OLDER = "xy0000000002"


@dataclass(frozen=True)
class Served:
    """A registry that knows two models, and the command."""

    registry: SimulatedRegistry
    ktrdr: Ktrdr
    version: str
    session: ModelledSession


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    home = tmp_path / "home"
    first, second = write_model(home, "first-1", number=1), write_model(home, "second-1", {"a": b"x"}, number=2)
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(served_training_host(home))
        registry, address = await stack.enter_async_context(simulated_operations())
        follow_host(registry, host.address)
        await registry.put(training_with_model(ID, first))
        older = training_with_model(OLDER, second, {"a": b"x"}, name="older")
        await registry.put(ended_before(older, timedelta(days=1)))
        # Newer than all models: `last` means the newest model here.
        await registry.put(running_training("op0000000003"))
        yield Served(registry, Ktrdr(address, tmp_path), version_of(first), ModelledSession(first))


async def test_models_as_table_and_as_data(served: Served) -> None:
    table, as_json, as_csv, page = await asyncio.gather(
        served.ktrdr("models", "list"),
        served.ktrdr("models", "list", "-o", "json"),
        served.ktrdr("models", "list", "-o", "csv", "--filter", 'display_name = "older"'),
        served.ktrdr("models", "list", "--limit", "1"),
    )
    heading, first, second = table.out.splitlines()
    assert heading.split() == ["ID", "NAME", "SYMBOLS", "TEST", "(MAJORITY)", "VERSION", "AGE"]
    assert ID in first
    assert all(word in first for word in ("AAPL", "47.1 % (44.0 %)", served.version[:12]))
    assert OLDER in second
    assert "op0000000003" not in table.out
    models = json.loads(as_json.out)["models"]
    assert [model["operation_id"] for model in models] == [ID, OLDER]
    assert (models[0]["model_version"], models[0]["symbols"]) == (served.version, ["AAPL"])
    assert [row["operation_id"] for row in csv.DictReader(io.StringIO(as_csv.out))] == [OLDER]
    assert page.out.count("op0000000001") == 1
    assert "1 of 2 models; go on with:\n  ktrdr models list --limit 1 --page-token" in page.err


async def test_a_model_shows_its_card_and_its_files(served: Served) -> None:
    shown, as_json, as_csv = await asyncio.gather(
        served.ktrdr("models", "get", "last"),
        served.ktrdr("models", "get", "op00", "-o", "json"),
        served.ktrdr("models", "get", ID, OLDER, "-o", "csv"),
    )
    assert shown.code == as_json.code == as_csv.code == 0
    assert "# swing\n\nA model of **AAPL**." in shown.out
    assert all(artifact.sha256 in shown.out for artifact in artifacts_of(FILES))
    assert f"ktrdr models download {ID}" in shown.out
    record = json.loads(as_json.out)
    assert (record["operation_id"], record["model_version"]) == (ID, served.version)
    assert [file["name"] for file in record["files"]] == sorted(FILES)
    assert record["card"].startswith("# swing")
    rows = list(csv.DictReader(io.StringIO(as_csv.out)))
    assert len(rows) == len(FILES) + 1
    assert {row["operation_id"] for row in rows} == {ID, OLDER}


async def test_a_model_is_downloaded_by_name_into_a_folder_of_its_own(served: Served, tmp_path: Path) -> None:
    process = await served.ktrdr.start("models", "download", "--name", "swing", cwd=tmp_path)
    outcome = await ended(process)
    folder = tmp_path / f"swing-{served.version[:12]}"
    assert (outcome.code, outcome.out.strip()) == (0, folder.name)
    assert "5 files, 2.0 MiB, digests are right" in outcome.err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES
    again = await served.ktrdr("models", "download", ID, "--to", str(folder), "--file", "strategy.yaml", "-o", "jsonl")
    assert (again.code, json.loads(again.out)["path"]) == (0, str(folder / "strategy.yaml"))


async def test_refusals_name_the_cause_and_what_to_type_next(served: Served, tmp_path: Path) -> None:
    (tmp_path / "strategy.yaml").write_text("mine")
    running, unknown, occupied, name = await asyncio.gather(
        served.ktrdr("models", "get", "op0000000003"),
        served.ktrdr("models", "get", "zz"),
        served.ktrdr("models", "download", ID, "--to", str(tmp_path), "--file", "strategy.yaml"),
        served.ktrdr("models", "download", ID, "--to", str(tmp_path), "--file", "nonsense"),
    )
    assert {outcome.code for outcome in (running, unknown, occupied, name)} == {1}
    assert "is RUNNING; it has a model when it is COMPLETED\n  wait for it: ktrdr ops wait op0000000003" in running.err
    assert "ktrdr ops list" in unknown.err
    assert "--overwrite" in occupied.err
    assert (tmp_path / "strategy.yaml").read_text() == "mine"
    assert "it has metadata.json, model.safetensors" in name.err
    served.registry.operations[ID].host = "other"
    away = await served.ktrdr("models", "get", ID)
    assert away.code == 5
    assert "ktrdr hosts list" in away.err
    served.registry.operations.clear()
    none = await served.ktrdr("models", "get", "last")
    assert (none.code, "ktrdr train" in none.err) == (1, True)


async def test_ctrl_c_keeps_what_has_come_and_says_how_to_go_on(served: Served, tmp_path: Path) -> None:
    folder = tmp_path / "to"
    async with fragile_models(served.session) as (fragility, address):
        fragility.hold_after = 2
        follow_host(served.registry, address)
        process = await served.ktrdr.start("models", "download", ID, "--to", str(folder), "--file", "model.safetensors")
        part = folder / "model.safetensors.part"
        await eventually(lambda: part.exists() and part.stat().st_size)
        process.send_signal(signal.SIGINT)
        stopped = await ended(process)
        kept = part.stat().st_size
        assert stopped.code == 130
        command = f"ktrdr models download {ID} --to {folder} --file model.safetensors"
        assert f"go on with it: {command}" in stopped.err
        assert "Traceback" not in stopped.err
        late = await served.ktrdr(*command.split()[1:], "--timeout", "200ms")
        assert (late.code, command in late.err) == (6, True)
        fragility.hold_after = None
        done = await served.ktrdr(*command.split()[1:])
    assert done.code == 0
    assert fragility.requests[-1].offset >= kept > 0
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert not part.exists()
