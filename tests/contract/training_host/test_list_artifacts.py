"""ListArtifacts over the wire: the files of a model, in pages, and every documented refusal."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import ktrdr_bridge
import pytest
from ktrdr.host.v1.session_pb2 import Session
from ktrdr.training.v1.training_pb2 import ListArtifactsRequest, ListArtifactsResponse

from tests.support.eventually import eventually
from tests.support.model_folders import FILES, artifacts_of, version_of, write_model
from tests.support.recorded_bars import write_recorded_bars
from tests.support.refusals import refusal
from tests.support.training_service import TrainingCalls, local_spec, served_training_host

LONG = {"training__epochs": "100000", "training__early_stopping": "null"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
async def calls(home: Path) -> AsyncIterator[TrainingCalls]:
    write_model(home, "with-model", number=1)
    write_model(home, "another", {"model.safetensors": b"x", "strategy.yaml": b""}, number=2)
    write_model(home, "without", number=3, with_model=False)
    async with served_training_host(home) as calls:
        yield calls


async def listed(calls: TrainingCalls, session_id: str, page_size: int = 0, token: str = "") -> ListArtifactsResponse:
    request = ListArtifactsRequest(session_id=session_id, page_size=page_size, page_token=token)
    return await calls.trainings.ListArtifacts(request, timeout=60)


async def test_files_come_by_name_with_sizes_digests_and_the_version(calls: TrainingCalls, home: Path) -> None:
    response = await listed(calls, "with-model")
    assert list(response.artifacts) == artifacts_of(FILES)
    assert response.model_version == version_of(write_model(home / "copy", "same"))
    assert not response.next_page_token


async def test_pages_together_are_the_list(calls: TrainingCalls) -> None:
    for size in (1, 2, 4, 5):
        pages = [await listed(calls, "with-model", size)]
        while pages[-1].next_page_token:
            pages.append(await listed(calls, "with-model", size, pages[-1].next_page_token))
        assert [file for page in pages for file in page.artifacts] == artifacts_of(FILES)
        assert [len(page.artifacts) for page in pages[:-1]] == [size] * (len(pages) - 1)
        assert len({page.model_version for page in pages}) == 1


async def test_links_and_folders_are_no_files(calls: TrainingCalls, home: Path) -> None:
    folder = home / "training-host/sessions/with-model/artifacts/model"
    (folder / "link.json").symlink_to(folder / "metadata.json")
    (folder / "folder").mkdir()
    assert list((await listed(calls, "with-model")).artifacts) == artifacts_of(FILES)


async def test_tokens_belong_to_their_session(calls: TrainingCalls) -> None:
    token = (await listed(calls, "with-model", 1)).next_page_token
    for session_id, wrong in (("another", token), ("with-model", token[:-2]), ("with-model", "no token")):
        refused = await refusal(listed(calls, session_id, 1, wrong))
        assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")


async def test_wrong_requests_are_refused(calls: TrainingCalls) -> None:
    refused = await refusal(listed(calls, "with-model", -1))
    assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert refused.fields == ["page_size"]
    refused = await refusal(listed(calls, "nowhere"))
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")


async def test_sessions_without_a_model_say_why(calls: TrainingCalls, home: Path, tmp_path: Path) -> None:
    bars = write_recorded_bars("AAPL", tmp_path / "AAPL.csv")
    await calls.start(local_spec(bars, **LONG), session_id="running")
    with ktrdr_bridge.open_session("mine", home=home, session_id="mine"):

        async def is_served() -> bool:
            return (await calls.session("mine")).state == Session.STATE_RUNNING

        await eventually(is_served)
        for session_id, why in (
            ("without", "ended COMPLETED and left none"),
            ("running", "has not ended"),
            ("mine", "A process of its own"),
        ):
            refused = await refusal(listed(calls, session_id))
            assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "ARTIFACT_NOT_FOUND")
            assert why in refused.message
            assert "ktrdr models list" in refused.message
