"""The files of models, for whoever wants them."""

from services.training_host.model_files.digests import Digests
from services.training_host.model_files.download import Downloads
from services.training_host.model_files.listing import ModelListing
from services.training_host.model_files.sessions import FindSession


class ModelFiles:
    """Reaches the files of the models that sessions of this host have trained.

    Args:
        find: Finds sessions.

    Attributes:
        listing: Lists them.
        downloads: Sends them.
    """

    def __init__(self, find: FindSession) -> None:
        self._digests = Digests()
        self.listing = ModelListing(find, self._digests)
        self.downloads = Downloads(find, self._digests)

    def begin_stop(self) -> None:
        """Let all downloads end."""
        self.downloads.begin_stop()

    async def stop(self) -> None:
        """Wait until nothing is read any more."""
        await self._digests.close()
