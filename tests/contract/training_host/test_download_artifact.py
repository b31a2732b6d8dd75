"""DownloadArtifact over the wire: whole files, parts of files, and every documented refusal."""

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from ktrdr.host.v1 import host_pb2
from ktrdr.training.v1.training_pb2 import Artifact, DownloadArtifactRequest, DownloadArtifactResponse

from services.host.folder import SessionFolder
from services.training_host.model_files.folder import ModelFile
from tests.support.eventually import eventually
from tests.support.model_folders import FILES, artifacts_of, write_model
from tests.support.refusals import refusal
from tests.support.training_service import TrainingCalls, served_training_host

WEIGHTS = "model.safetensors"
CONTENT = FILES[WEIGHTS]
LARGE_BYTES = 64 * 2**20
"""More than all buffers between the file and a client that does not read."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def folder(home: Path) -> Path:
    session: SessionFolder = write_model(home, "s", FILES | {"empty": b""})
    return session.artifacts / "model"


@pytest.fixture
async def calls(home: Path, folder: Path) -> AsyncIterator[TrainingCalls]:  # noqa: ARG001 - it is written before
    write_model(home, "without", number=2, with_model=False)
    async with served_training_host(home) as calls:
        yield calls


def download(
    calls: TrainingCalls, name: str, offset: int = 0, sha256: str = "", session_id: str = "s"
) -> "grpc.aio.UnaryStreamCall[DownloadArtifactRequest, DownloadArtifactResponse]":
    request = DownloadArtifactRequest(session_id=session_id, name=name, offset=offset, sha256=sha256)
    return calls.trainings.DownloadArtifact(request, timeout=60)


async def whole(calls: TrainingCalls, name: str, offset: int = 0, sha256: str = "") -> tuple[Artifact, list[bytes]]:
    first, *others = [message async for message in download(calls, name, offset, sha256)]
    assert first.WhichOneof("content") == "artifact"
    assert {message.WhichOneof("content") for message in others} <= {"data"}
    return first.artifact, [message.data for message in others]


async def read_all(stream: "grpc.aio.UnaryStreamCall[DownloadArtifactRequest, DownloadArtifactResponse]") -> None:
    async for _ in stream:
        pass


def large_file(folder: Path) -> None:
    with (folder / "large").open("wb") as file:
        file.truncate(LARGE_BYTES)


async def test_every_file_comes_as_it_is(calls: TrainingCalls) -> None:
    for expected in artifacts_of(FILES | {"empty": b""}):
        artifact, pieces = await whole(calls, expected.name, sha256=expected.sha256)
        assert artifact == expected
        assert hashlib.sha256(b"".join(pieces)).hexdigest() == expected.sha256
        assert all(0 < len(piece) <= 2**20 for piece in pieces)


async def test_a_download_that_broke_off_goes_on_to_the_same_file(calls: TrainingCalls) -> None:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    for offset in (0, 1, 2**19 - 1, 2**19, len(CONTENT) - 1, len(CONTENT)):
        artifact, pieces = await whole(calls, WEIGHTS, offset, sha256.upper())
        assert CONTENT[:offset] + b"".join(pieces) == CONTENT
        assert (artifact.size_bytes, artifact.sha256) == (len(CONTENT), sha256)


NO_FILES = [
    ("", "s", "INVALID_ARGUMENT", "INVALID_REQUEST"),
    ("..", "s", "INVALID_ARGUMENT", "INVALID_REQUEST"),
    ("../../session.json", "s", "INVALID_ARGUMENT", "INVALID_REQUEST"),
    ("/etc/hostname", "s", "INVALID_ARGUMENT", "INVALID_REQUEST"),
    ("a\0b", "s", "INVALID_ARGUMENT", "INVALID_REQUEST"),
    ("nothing", "s", "NOT_FOUND", "ARTIFACT_NOT_FOUND"),
    ("x" * 5_000, "s", "NOT_FOUND", "ARTIFACT_NOT_FOUND"),
    ("link", "s", "NOT_FOUND", "ARTIFACT_NOT_FOUND"),
    ("subfolder", "s", "NOT_FOUND", "ARTIFACT_NOT_FOUND"),
    ("pipe", "s", "NOT_FOUND", "ARTIFACT_NOT_FOUND"),
    (WEIGHTS, "without", "NOT_FOUND", "ARTIFACT_NOT_FOUND"),
    (WEIGHTS, "nowhere", "NOT_FOUND", "SESSION_NOT_FOUND"),
]


async def test_what_is_no_file_of_a_model_is_refused(calls: TrainingCalls, folder: Path) -> None:
    (folder / "link").symlink_to(folder.parents[1] / "session.json")
    (folder / "subfolder").mkdir()
    os.mkfifo(folder / "pipe")
    for name, session_id, code, reason in NO_FILES:
        refused = await refusal(read_all(download(calls, name, session_id=session_id)))
        assert (name, refused.code.name, refused.reason) == (name, code, reason)


async def test_a_missing_model_and_a_missing_file_are_told_apart(calls: TrainingCalls) -> None:
    no_file = await refusal(read_all(download(calls, "nothing")))
    assert "has no file 'nothing' in a model" in no_file.message
    no_model = await refusal(read_all(download(calls, "nothing", session_id="without")))
    assert "has no model. The training has ended COMPLETED" in no_model.message


def put_behind_a_link(folder: Path) -> None:
    moved = folder.with_name("moved")
    folder.rename(moved)
    folder.symlink_to(moved)


async def test_a_model_behind_a_link_is_none(calls: TrainingCalls, folder: Path) -> None:
    put_behind_a_link(folder)
    refused = await refusal(read_all(download(calls, WEIGHTS)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "ARTIFACT_NOT_FOUND")


async def test_places_that_cannot_be_are_refused(calls: TrainingCalls) -> None:
    refused = await refusal(read_all(download(calls, WEIGHTS, len(CONTENT) + 1)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.OUT_OF_RANGE, "ARTIFACT_OFFSET_OUT_OF_RANGE")
    assert refused.metadata["size_bytes"] == str(len(CONTENT))
    refused = await refusal(read_all(download(calls, WEIGHTS, sha256="12ab")))
    assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["sha256"])


async def test_another_file_than_the_one_that_was_named_is_refused(calls: TrainingCalls, folder: Path) -> None:
    sha256 = (await whole(calls, WEIGHTS))[0].sha256
    (folder / WEIGHTS).write_bytes(b"another content")
    refused = await refusal(read_all(download(calls, WEIGHTS, 10**9, sha256)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.ABORTED, "ARTIFACT_CHANGED")
    artifact, pieces = await whole(calls, WEIGHTS)
    assert (b"".join(pieces), artifact.size_bytes) == (b"another content", 15)


async def test_a_file_that_is_written_to_meanwhile_is_told(calls: TrainingCalls, folder: Path) -> None:
    large_file(folder)
    stream = download(calls, "large")
    assert (await anext(aiter(stream))).artifact.size_bytes == LARGE_BYTES
    os.truncate(folder / "large", LARGE_BYTES - 1)
    refused = await refusal(read_all(stream))
    assert (refused.code, refused.reason) == (grpc.StatusCode.ABORTED, "ARTIFACT_CHANGED")


async def test_a_file_that_is_replaced_meanwhile_still_comes_as_it_was(calls: TrainingCalls, folder: Path) -> None:
    large_file(folder)
    stream = download(calls, "large")
    await anext(aiter(stream))
    (folder / "new").write_bytes(b"new")
    (folder / "new").replace(folder / "large")
    assert sum([len(message.data) async for message in stream]) == LARGE_BYTES


def open_files(path: Path) -> int:
    """Return how many descriptors of this process, which the host runs in, are open on a file."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found += entry.readlink() == path
        except FileNotFoundError:
            continue  # it was that of the listing
    return found


async def test_a_client_that_goes_leaves_nothing_open(calls: TrainingCalls, folder: Path) -> None:
    large_file(folder)
    stream = download(calls, "large")
    await anext(aiter(stream))
    assert open_files(folder / "large") == 1
    stream.cancel()
    await eventually(lambda: open_files(folder / "large") == 0)


async def test_what_is_not_taken_is_not_read(
    calls: TrainingCalls, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large_file(folder)
    read: list[int] = []
    really_read = ModelFile.read

    def counted(file: ModelFile, offset: int, size_bytes: int) -> bytes:
        read.append(size_bytes)
        return really_read(file, offset, size_bytes)

    monkeypatch.setattr(ModelFile, "read", counted)
    stream = download(calls, "large")
    await anext(aiter(stream))  # the digest is there
    read.clear()
    quiet = 0
    while quiet < 50:  # round trips without another piece
        before = len(read)
        await calls.host.GetHost(host_pb2.GetHostRequest(), timeout=60)
        quiet = quiet + 1 if len(read) == before else 0
    assert sum(read) < LARGE_BYTES / 2
    assert sum([len(message.data) async for message in stream]) == LARGE_BYTES


async def test_a_session_that_is_removed_meanwhile_ends_the_download(calls: TrainingCalls, folder: Path) -> None:
    large_file(folder)
    stream = download(calls, "large")
    await anext(aiter(stream))
    await calls.host.DeleteSession(host_pb2.DeleteSessionRequest(session_id="s"), timeout=60)
    refused = await refusal(read_all(stream))
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
