"""What is sent for each kind of request."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ktrdr.ib.v1 import bars_pb2

from services.ib_host.connection.library import LibrarySession
from services.ib_host.contracts.instruments import to_contract
from services.ib_host.requests.history_query import HistoryQuery
from services.ib_host.requests.undecodable import CURRENT_TIME

_HISTORY: Final = "history"
_CONTRACTS: Final = "contracts"


@dataclass(frozen=True)
class Question:
    """What is sent.

    Attributes:
        send: sends it, given its id.
        farm: kind of IB's farms that answers it ("history", "contracts"); empty for the gateway itself.
        timeout_seconds: for the answer.
        contract: what it is about, in the library's terms.
        key: the library's name for it, if it has no id.
        cancel: takes it back at the gateway, if it is not answered.
        open_until_cancelled: IB counts it as open after its answer, too, until it is taken back.
    """

    send: Callable[[LibrarySession, int], None]
    farm: str
    timeout_seconds: float
    contract: Any = None
    key: str = ""
    cancel: Callable[[LibrarySession, int], None] | None = None
    open_until_cancelled: bool = False


def for_history(query: HistoryQuery, *, timeout_seconds: float) -> Question:
    """Ask for bars."""
    contract = to_contract(query.instrument)
    return Question(
        lambda session, request_id: session.send_history(
            request_id,
            contract,
            end=query.ask.end,
            duration=str(query.ask.duration),
            setting=query.bar.setting,
            what=query.what,
            use_rth=query.use_rth,
        ),
        farm=_HISTORY,
        timeout_seconds=timeout_seconds,
        contract=contract,
        cancel=LibrarySession.cancel_history,
    )


def for_schedule(
    instrument: bars_pb2.Instrument, *, end: datetime, duration: str, use_rth: bool, timeout_seconds: float
) -> Question:
    """Ask for sessions."""
    contract = to_contract(instrument)
    return Question(
        lambda session, request_id: session.send_schedule(
            request_id, contract, end=end, duration=duration, use_rth=use_rth
        ),
        farm=_HISTORY,
        timeout_seconds=timeout_seconds,
        contract=contract,
        cancel=LibrarySession.cancel_history,
    )


def for_head_timestamp(
    instrument: bars_pb2.Instrument, *, what: str, use_rth: bool, timeout_seconds: float
) -> Question:
    """Ask when a history begins."""
    contract = to_contract(instrument)
    return Question(
        lambda session, request_id: session.send_head_timestamp(request_id, contract, what=what, use_rth=use_rth),
        farm=_HISTORY,
        timeout_seconds=timeout_seconds,
        contract=contract,
        cancel=LibrarySession.cancel_head_timestamp,
        open_until_cancelled=True,
    )


def for_contracts(instrument: bars_pb2.Instrument, *, timeout_seconds: float) -> Question:
    """Ask which contracts fit a description."""
    contract = to_contract(instrument)
    return Question(
        lambda session, request_id: session.send_contract_details(request_id, contract),
        farm=_CONTRACTS,
        timeout_seconds=timeout_seconds,
        contract=contract,
    )


def for_matching_symbols(pattern: str, *, timeout_seconds: float) -> Question:
    """Ask which instruments fit a pattern."""
    return Question(
        lambda session, request_id: session.send_matching_symbols(request_id, pattern),
        farm=_CONTRACTS,
        timeout_seconds=timeout_seconds,
    )


def for_current_time(*, timeout_seconds: float) -> Question:
    """Ask what time it is for the gateway."""
    return Question(
        lambda session, _: session.send_current_time(), farm="", timeout_seconds=timeout_seconds, key=CURRENT_TIME
    )
