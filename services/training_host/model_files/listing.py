"""List the files of models."""

from ktrdr.training.v1.training_pb2 import Artifact, ListArtifactsRequest, ListArtifactsResponse

from services.common.threads import in_thread
from services.training_host.artifacts.listing import ArtifactFile
from services.training_host.artifacts.version import model_version
from services.training_host.model_files.digests import Digests
from services.training_host.model_files.folder import FileChangedError, list_files
from services.training_host.model_files.pages import page_of
from services.training_host.model_files.sessions import FindSession, model_folder, no_model


class ModelListing:
    """Lists the files of models with their digests.

    Args:
        find: Finds sessions.
        digests: Of files.
    """

    def __init__(self, find: FindSession, digests: Digests) -> None:
        self._find = find
        self._digests = digests

    async def list(self, request: ListArtifactsRequest) -> ListArtifactsResponse:
        """Return a page of the files of one model.

        Raises:
            ServiceError: SESSION_NOT_FOUND, ARTIFACT_NOT_FOUND, INVALID_REQUEST, PAGE_TOKEN_INVALID.
        """
        session = self._find(request.session_id)
        folder = model_folder(session)
        try:
            found = await in_thread(list_files, folder)
            files = [ArtifactFile(each.path.name, each.size_bytes, await self._digests.of(each)) for each in found]
        except (FileNotFoundError, NotADirectoryError, FileChangedError):
            self._find(request.session_id)  # it may have been removed meanwhile
            raise no_model(session) from None
        if not files:
            raise no_model(session)
        page = page_of(files, size=request.page_size, token=request.page_token, session_id=session.id)
        return ListArtifactsResponse(
            artifacts=[message_of(file) for file in page.files],
            model_version=model_version(files),
            next_page_token=page.next_token,
        )


def message_of(file: ArtifactFile) -> Artifact:
    """Describe a file in the contract's words."""
    return Artifact(name=file.name, size_bytes=file.size_bytes, sha256=file.sha256)
