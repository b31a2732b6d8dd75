"""List sessions in pages."""

from typing import Final

from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr.host.v1.host_pb2 import ListSessionsResponse

from services.common.clock import Clock
from services.common.errors import FieldViolation, ServiceError
from services.common.page_tokens import decode_page_token, encode_page_token
from services.host.description import describe
from services.host.host_identity import HostIdentity
from services.host.session_table import SessionTable

DEFAULT_PAGE: Final = 50
LARGEST_PAGE: Final = 500


class SessionListing:
    """Pages of a host's sessions, newest first. Sessions that are added meanwhile do not shift the pages.

    Args:
        table: The host's sessions.
        identity: The host, which page tokens are bound to.
        clock: Time.
    """

    def __init__(self, table: SessionTable, identity: HostIdentity, clock: Clock) -> None:
        self._table = table
        self._identity = identity
        self._clock = clock

    def page(self, page_size: int, page_token: str) -> ListSessionsResponse:
        """Return a page.

        Args:
            page_size: Most sessions, 0 for 50; more than 500 are 500.
            page_token: Token of the page before; empty for the first.

        Raises:
            ServiceError: INVALID_REQUEST for a negative size, PAGE_TOKEN_INVALID.
        """
        if page_size < 0:
            fault = FieldViolation("page_size", f"{page_size} is negative; 0 stands for {DEFAULT_PAGE}")
            raise ServiceError(ErrorReason.ERROR_REASON_INVALID_REQUEST, fields=[fault], detail=fault.description)
        size = min(page_size or DEFAULT_PAGE, LARGEST_PAGE)
        binding = f"sessions {self._identity.host_uid}"
        before = int(decode_page_token(binding, page_token, (int,))[0]) if page_token else None
        sessions = self._table.older_than(before, size + 1)
        shown, now = sessions[:size], self._clock.now()
        token = encode_page_token(binding, [shown[-1].record.number]) if len(sessions) > size else ""
        return ListSessionsResponse(sessions=[describe(each, now) for each in shown], next_page_token=token)
