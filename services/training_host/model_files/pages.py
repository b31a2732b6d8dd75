"""Files in pages."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import FieldViolation, ServiceError
from services.training_host.artifacts.listing import ArtifactFile

DEFAULT_PAGE: Final = 100
LARGEST_PAGE: Final = 1_000
_CHECK_BYTES: Final = 6


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
    after = _decode(token, session_id) if token else ""
    left = [file for file in files if file.name > after]
    shown = left[:size]
    return Page(shown, _encode(shown[-1].name, session_id) if len(left) > size else "")


def _encode(name: str, session_id: str) -> str:
    content = name.encode()
    return urlsafe_b64encode(_check(content, session_id) + content).decode().rstrip("=")


def _decode(token: str, session_id: str) -> str:
    try:
        data = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        data = b""
    check, content = data[:_CHECK_BYTES], data[_CHECK_BYTES:]
    if not content or check != _check(content, session_id):
        raise ServiceError(ErrorReason.ERROR_REASON_PAGE_TOKEN_INVALID)
    return content.decode()


def _check(content: bytes, session_id: str) -> bytes:
    return blake2b(content + b"\0" + session_id.encode(), digest_size=_CHECK_BYTES).digest()
