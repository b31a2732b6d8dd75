"""Send a file of a model, from any place in it on."""

import errno
import re
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.training.v1.training_pb2 import Artifact, DownloadArtifactRequest, DownloadArtifactResponse

from services.common.errors import FieldViolation, ServiceError
from services.common.threads import in_thread
from services.training_host.model_files.digests import Digests
from services.training_host.model_files.folder import FileChangedError, ModelFile, is_plain_name
from services.training_host.model_files.sessions import FindSession, model_folder, no_file, no_model

CHUNK_BYTES: Final = 512 * 1024
"""Bytes in a message: of 128 KiB to 1 MiB, all far below the 4 MiB that clients take, the size that went fastest."""
_SHA256: Final = re.compile("[0-9a-fA-F]{64}")
_NOT_THERE: Final = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG}
"""There is no file of this name, but nothing, a link, a socket, or no folder."""
_RETRY_AFTER: Final = timedelta(seconds=5)


class Downloads:
    """Sends files. It keeps nothing for those who download: where they are is in their requests.

    Args:
        find: Finds sessions.
        digests: Of files.
    """

    def __init__(self, find: FindSession, digests: Digests) -> None:
        self._find = find
        self._digests = digests
        self._stopping = False

    def begin_stop(self) -> None:
        """Let all downloads end with an error; they go on from where they were when the host is back."""
        self._stopping = True

    async def send(self, request: DownloadArtifactRequest) -> AsyncGenerator[DownloadArtifactResponse, None]:
        """Yield the description of a file, and then its bytes from the offset on, each piece when the last was taken.

        Raises:
            ServiceError: INVALID_REQUEST, SESSION_NOT_FOUND (also when the session is removed meanwhile),
                ARTIFACT_NOT_FOUND, ARTIFACT_CHANGED, ARTIFACT_OFFSET_OUT_OF_RANGE, STOPPING.
        """
        _check(request)
        session = self._find(request.session_id)
        folder = model_folder(session)
        file = ModelFile(folder, request.name)
        try:
            state = await in_thread(file.open)
            artifact = Artifact(name=request.name, size_bytes=state.size_bytes, sha256=await self._digests.of(state))
            _check_place(request, artifact)
            yield DownloadArtifactResponse(artifact=artifact)
            offset = request.offset
            while offset < state.size_bytes:
                self._check_life(session.id)
                data = await in_thread(file.read, offset, min(CHUNK_BYTES, state.size_bytes - offset))
                yield DownloadArtifactResponse(data=data)
                offset += len(data)
            await in_thread(file.check, state)
        except FileChangedError:
            self._check_life(session.id)
            raise _changed(request, "It was written to meanwhile.") from None
        except OSError as error:
            self._check_life(session.id)
            if error.errno not in _NOT_THERE:
                raise
            has_model = await in_thread(folder.is_dir)
            raise (no_file(session, request.name) if has_model else no_model(session)) from None
        finally:
            file.close()

    def _check_life(self, session_id: str) -> None:
        """End a download that is not to go on: the host stops, or the session has been removed."""
        if self._stopping:
            raise ServiceError(ErrorReason.ERROR_REASON_STOPPING, retry_after=_RETRY_AFTER)
        self._find(session_id)


def _check(request: DownloadArtifactRequest) -> None:
    faults = []
    if not is_plain_name(request.name):
        faults.append(FieldViolation("name", f"{request.name!r} is no name of a file as ListArtifacts tells them"))
    if request.sha256 and not _SHA256.fullmatch(request.sha256):
        faults.append(FieldViolation("sha256", "is no SHA-256: 64 hexadecimal digits"))
    if faults:
        detail = f"{faults[0].field}: {faults[0].description}"
        raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=faults, detail=detail)


def _check_place(request: DownloadArtifactRequest, artifact: Artifact) -> None:
    if request.sha256 and request.sha256.lower() != artifact.sha256:
        raise _changed(request, f"Its SHA-256 is {artifact.sha256}.")
    if request.offset > artifact.size_bytes:
        raise ServiceError(
            ErrorReason.ERROR_REASON_ARTIFACT_OFFSET_OUT_OF_RANGE,
            name=request.name,
            offset=request.offset,
            size_bytes=artifact.size_bytes,
        )


def _changed(request: DownloadArtifactRequest, detail: str) -> ServiceError:
    reason = ErrorReason.ERROR_REASON_ARTIFACT_CHANGED
    return ServiceError(reason, session_id=request.session_id, name=request.name, detail=detail)
