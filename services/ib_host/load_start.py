"""Accepting loads."""

from typing import Final

from ktrdr.host.v1.session_pb2 import Session
from ktrdr.ib.v1 import ib_pb2

from services.host.session_options import check_options
from services.host.sessions import Sessions
from services.ib_host.loading.spec import check_spec

KIND: Final = "data_load"
"""Kind of a load's session."""

_OPTIONS: Final = frozenset({"timeout"})


class LoadStart:
    """Checks what is asked, and hands it to the host's sessions. The gateway need not be there: the load waits for it.

    Args:
        sessions: the host's sessions.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def start(self, request: ib_pb2.StartDataLoadRequest) -> Session:
        """Accept a load; idempotent by session id and request id.

        Raises:
            ServiceError: INVALID_REQUEST with the fields at fault; what Sessions.start raises.
        """
        check_spec(request.spec)
        check_options(request.options, allowed=_OPTIONS, work="a load, which runs inside the IB host")
        return await self._sessions.start(
            kind=KIND,
            spec=request.spec,
            session_id=request.session_id,
            request_id=request.request_id,
            attempt=request.attempt,
            labels=request.labels,
            options=request.options if request.HasField("options") else None,
        )
