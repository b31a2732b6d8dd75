"""Downloads end when the host stops, and say that it does."""

from contextlib import aclosing
from pathlib import Path

import pytest
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.training.v1.training_pb2 import DownloadArtifactRequest

from services.common.errors import ServiceError
from services.training_host.model_files.model_files import ModelFiles
from tests.support.model_folders import write_model
from tests.support.modelled_session import ModelledSession


async def test_a_download_ends_with_the_next_piece(tmp_path: Path) -> None:
    session = ModelledSession(write_model(tmp_path, "s"))
    models = ModelFiles(lambda _: session)
    request = DownloadArtifactRequest(session_id="s", name="model.safetensors")
    async with aclosing(models.downloads.send(request)) as messages:
        assert (await anext(messages)).artifact.name == "model.safetensors"
        assert (await anext(messages)).data
        models.begin_stop()
        with pytest.raises(ServiceError) as caught:
            await anext(messages)
    assert caught.value.reason == ErrorReason.ERROR_REASON_STOPPING
    assert caught.value.retry_after is not None
    await models.stop()
