"""Downloads through broken streams and half-finished files."""

import asyncio
import errno
import os
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ktrdr.training.v1.training_pb2 import Artifact
from ktrdr_client import Aborted, DataLoss, KtrdrError, Unavailable
from ktrdr_client.backoff import Backoff
from ktrdr_client.calls import Endpoint
from ktrdr_client.channel import open_channel
from ktrdr_client.models.artifact_source import ArtifactSource
from ktrdr_client.models.file_download import MOST_FAILURES, FileDownload
from ktrdr_client.models.model import model_of
from ktrdr_client.models.part_file import PartFile
from ktrdr_client.stubs import training_host_stub

from tests.support.eventually import eventually
from tests.support.fragile_models import Fragility, fragile_models
from tests.support.model_folders import FILES, artifacts_of, write_model
from tests.support.modelled_operations import training_with_model
from tests.support.modelled_session import ModelledSession

NAME = "model.safetensors"
CONTENT = FILES[NAME]
(WEIGHTS,) = (artifact for artifact in artifacts_of() if artifact.name == NAME)


@dataclass(frozen=True)
class Setting:
    """A server whose streams break, and a place to download to."""

    fragility: Fragility
    source: ArtifactSource
    target: Path
    weights: Path
    """The file that is served."""

    @property
    def part(self) -> Path:
        """Where the file is until it is whole."""
        return self.target.with_name(f"{self.target.name}.part")

    def download(self, artifact: Artifact = WEIGHTS) -> FileDownload:
        """Return a download whose pauses are short."""
        return FileDownload(
            self.source, artifact, self.target,
            backoff=Backoff(first_seconds=0.001, limit_seconds=0.002, source=random.Random(0)),
        )  # fmt: skip

    @property
    def offsets(self) -> list[int]:
        """Offsets that were asked for."""
        return [request.offset for request in self.fragility.requests]


@pytest.fixture
async def setting(tmp_path: Path) -> AsyncIterator[Setting]:
    folder = write_model(tmp_path / "home", "s")
    async with (
        fragile_models(ModelledSession(folder)) as (fragility, address),
        open_channel(address) as channel,
    ):
        model = model_of(training_with_model("op0000000001", folder))
        source = ArtifactSource(training_host_stub(channel), Endpoint("training host", address), model)
        target = tmp_path / "to"
        target.mkdir()
        yield Setting(fragility, source, target / NAME, folder.artifacts / "model" / NAME)


@pytest.mark.parametrize("end_early", [False, True])
async def test_a_broken_stream_goes_on_where_it_broke(setting: Setting, *, end_early: bool) -> None:
    setting.fragility.end_early = end_early
    setting.fragility.break_after = [2, 3, None]
    told: list[int] = []
    errors: list[KtrdrError] = []
    download = setting.download()
    download.tell = told.append
    download.on_interruption = lambda error, _: errors.append(error)
    await download.run()
    assert setting.target.read_bytes() == CONTENT
    assert setting.offsets[0] == 0
    assert setting.offsets == sorted(set(setting.offsets)), "each one later than the one before"
    assert told == sorted(told)
    assert len(errors) == 2
    assert not setting.part.exists()


async def test_a_download_that_was_broken_off_goes_on_the_next_time(setting: Setting) -> None:
    setting.fragility.hold_after = 2
    running = asyncio.create_task(setting.download().run())
    await eventually(lambda: setting.fragility.holding and setting.part.stat().st_size)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    kept = setting.part.stat().st_size
    assert 0 < kept < len(CONTENT)
    assert not setting.target.exists()
    setting.fragility.hold_after = None
    await setting.download().run()
    assert setting.target.read_bytes() == CONTENT
    assert setting.offsets == [0, kept]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(kept=st.integers(0, len(CONTENT) + 10), right=st.booleans())
async def test_whatever_lies_there_the_file_is_right_in_the_end(setting: Setting, kept: int, *, right: bool) -> None:
    setting.target.unlink(missing_ok=True)
    setting.part.write_bytes((CONTENT + bytes(10) if right else bytes(reversed(CONTENT)) + bytes(10))[:kept])
    await setting.download().run()
    assert setting.target.read_bytes() == CONTENT
    assert not setting.part.exists()


async def test_a_stream_that_never_gets_further_is_given_up(setting: Setting) -> None:
    setting.fragility.break_after = [1] * 100
    with pytest.raises(Unavailable, match="the stream was cut"):
        await setting.download().run()
    assert setting.offsets == [0] * (MOST_FAILURES + 1)
    assert not setting.part.exists(), "nothing has come"


async def test_what_is_not_the_file_never_gets_its_name(setting: Setting) -> None:
    setting.fragility.spoil = lambda data: bytes(len(data))
    with pytest.raises(DataLoss, match="another content"):
        await setting.download().run()
    assert not setting.target.exists()
    setting.fragility.spoil = None
    await setting.download().run()
    assert setting.target.read_bytes() == CONTENT


async def test_a_file_that_has_changed_since_it_was_listed_is_refused(setting: Setting) -> None:
    setting.part.write_bytes(CONTENT[:1_000])
    setting.weights.write_bytes(b"another content")
    with pytest.raises(Aborted, match="another one than the download began with") as caught:
        await setting.download().run()
    assert caught.value.reason == "ARTIFACT_CHANGED"
    assert not setting.target.exists()


async def test_a_full_disk_is_told_and_what_has_come_is_kept(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    really_append = PartFile.append

    def append(part: PartFile, data: bytes) -> None:
        if part.size_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        really_append(part, data)

    with monkeypatch.context() as patch:
        patch.setattr(PartFile, "append", append)
        with pytest.raises(OSError, match="No space left"):
            await setting.download().run()
    kept = setting.part.stat().st_size
    assert kept
    await setting.download().run()
    assert setting.offsets == [0, kept]
    assert setting.target.read_bytes() == CONTENT


async def test_a_second_download_waits_for_the_first(setting: Setting) -> None:
    setting.fragility.hold_after = 2
    first = asyncio.create_task(setting.download().run())
    await eventually(lambda: setting.fragility.holding)
    second = asyncio.create_task(setting.download().run())
    setting.fragility.release.set()
    await asyncio.gather(first, second)
    assert setting.target.read_bytes() == CONTENT
    assert setting.offsets == [0], "what the first one brought was enough for both"
