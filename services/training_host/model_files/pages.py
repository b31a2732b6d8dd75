"""Files in pages."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import FieldViolation, ServiceError
from services.common.page_tokens import decode_page_token, encode_page_token
from services.training_host.artifacts.listing import ArtifactFile

DEFAULT_PAGE: Final = 100
LARGEST_PAGE: Final = 1_000


class Page(NamedTuple):
    """A page of files.

    Attributes:
        files: By name.
        next_token: Token of the next page; empty on the last.
    """

    files: Sequence[ArtifactFile]
    next_token: str


def page_of(files: Sequence[ArtifactFile], *, size: int, token: str, session_id: str) -> Page:
    """Return a page. A file that is added meanwhile shifts nothing: a page begins after the last one's name.

    Args:
        files: All files by name.
        size: Most files, 0 for 100; more than 1,000 are 1,000.
        token: Token of the page before; empty for the first.
        session_id: Session that the files belong to, and so the token.

    Raises:
        ServiceError: INVALID_REQUEST for a negative size, PAGE_TOKEN_INVALID.
    """
    if size < 0:
        fault = FieldViolation("page_size", f"{size} is negative; 0 stands for {DEFAULT_PAGE}")
        raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=[fault], detail=fault.description)
    size = min(size or DEFAULT_PAGE, LARGEST_PAGE)
    binding = f"artifacts {session_id}"
    after = decode_page_token(binding, token, (str,))[0] if token else ""
    left = [file for file in files if file.name > str(after)]
    shown = left[:size]
    return Page(shown, encode_page_token(binding, [shown[-1].name]) if len(left) > size else "")
