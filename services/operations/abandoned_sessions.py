"""Sessions that hosts have and no operation follows: of past attempts, and of operations that were deleted.

Their rows keep them from being found again as something new, for as long as their hosts have them.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import Delete, delete

from services.operations.changes import Row
from services.operations.operation_state import OperationState
from services.operations.schema import abandoned_sessions

_SQL_VARIABLES: Final = 500


def abandoned_rows(state: OperationState, *, keep: bool) -> list[Row]:
    """Return the row for the session of an operation's latest attempt; none if no host can have a session.

    Args:
        state: The operation.
        keep: Leave the session on its host.
    """
    record = state.record
    if not (state.host_uid and record.session_id):
        return []
    return [
        {
            "host_uid": state.host_uid,
            "session_id": record.session_id,
            "operation_id": record.id,
            "host": record.host,
            "keep": keep,
        }
    ]


def forget_abandoned(host_uid: str, session_ids: Sequence[str]) -> Iterator[Delete]:
    """Yield the statements that forget sessions which a host no longer has."""
    table = abandoned_sessions
    for start in range(0, len(session_ids), _SQL_VARIABLES):
        part = session_ids[start : start + _SQL_VARIABLES]
        yield delete(table).where(table.c.host_uid == host_uid, table.c.session_id.in_(part))
