"""What gets into a session's folder before the session exists: all of it, or no session."""

from pathlib import Path

import pytest
from google.protobuf.struct_pb2 import Struct
from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import ServiceError
from services.host.creation import create_session_folder
from services.host.folder import SessionFolder
from services.host.start_request import StartRequest
from tests.support.accepted_sessions import session_record

RECORD = session_record()


def test_it_is_there_when_the_folder_is(tmp_path: Path) -> None:
    seen: list[Path] = []

    def furnish(folder: SessionFolder) -> None:
        seen.append(folder.path)
        assert folder.spec.exists()
        folder.checkpoints.mkdir()
        (folder.checkpoints / "file").write_text("content")

    folder = create_session_folder(tmp_path, RECORD, Struct(), furnish)
    assert seen != [folder.path], "it had another name until it was whole"
    assert (folder.checkpoints / "file").read_text() == "content"
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_refusal_leaves_nothing(tmp_path: Path) -> None:
    def furnish(folder: SessionFolder) -> None:
        folder.checkpoints.mkdir()
        raise ServiceError(ErrorReason.ERROR_REASON_CHECKPOINT_NOT_FOUND, session_id="other", detail="No.")

    with pytest.raises(ServiceError, match="'other'"):
        create_session_folder(tmp_path, RECORD, Struct(), furnish)
    assert list(tmp_path.iterdir()) == []
    create_session_folder(tmp_path, RECORD, Struct())


def test_to_go_on_with_another_session_is_another_request() -> None:
    anew, other = StartRequest("training", Struct()), StartRequest("training", Struct(), continues="other")
    assert anew.body_sha256() != other.body_sha256()
    assert StartRequest("training", Struct(), continues="").body_sha256() == anew.body_sha256()
