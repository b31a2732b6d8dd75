"""What IB's error messages mean.

One code may stand for several things: 162 is said for pacing, for missing bars and for a service that has trouble, so
its text decides. Texts are those of a gateway set to "Show API messages in English".
"""

from collections.abc import Mapping, Sequence
from typing import Final

from services.ib_host.requests.failures import FailureKind

_BY_CODE: Final[Mapping[int, FailureKind]] = {
    100: FailureKind.PACING,
    420: FailureKind.PACING,
    354: FailureKind.NO_PERMISSION,
    10089: FailureKind.NO_PERMISSION,
    10090: FailureKind.NO_PERMISSION,
    10186: FailureKind.NO_PERMISSION,
    10189: FailureKind.NO_PERMISSION,
    10197: FailureKind.COMPETING_SESSION,
    320: FailureKind.REFUSED,
    321: FailureKind.REFUSED,
    322: FailureKind.REFUSED,
    10314: FailureKind.REFUSED,
    10339: FailureKind.REFUSED,
    366: FailureKind.QUERY_LOST,
    502: FailureKind.DISCONNECTED,
    504: FailureKind.DISCONNECTED,
    507: FailureKind.STREAM_BROKEN,
    1300: FailureKind.DISCONNECTED,
}
_BY_TEXT: Final[Sequence[tuple[str, FailureKind]]] = (
    ("pacing violation", FailureKind.PACING),
    ("simultaneous", FailureKind.PACING),
    ("returned no data", FailureKind.NO_DATA),
    ("no market data permissions", FailureKind.NO_PERMISSION),
    ("not subscribed", FailureKind.NO_PERMISSION),
    # The contract has no such bars at all, as a currency pair has no trades: another thing than a window without bars.
    ("no historical market data for", FailureKind.REFUSED),
    ("different ip address", FailureKind.COMPETING_SESSION),
    ("invalid step", FailureKind.INVALID_STEP),
    ("time length exceed", FailureKind.INVALID_STEP),
    # Only ever of a query that is still open, and so was not cancelled by the host: the gateway gave it up by itself.
    ("query cancelled", FailureKind.QUERY_LOST),
    ("query canceled", FailureKind.QUERY_LOST),
)
_DECIDED_BY_TEXT: Final = frozenset({162, 10187})
_UNKNOWN_CONTRACT: Final = 200
_TOO_MANY_OR_WRONG: Final = 322
_NOTICES: Final = frozenset({110, 165, 202, 399, 404, 434, 492, 10167})
_FIRST_WARNING: Final = 2100
_AFTER_WARNINGS: Final = 2200


def is_notice(code: int) -> bool:
    """Tell whether a message is only told, and its request goes on."""
    return code in _NOTICES or _FIRST_WARNING <= code < _AFTER_WARNINGS


def classify(code: int, text: str, *, outage: bool = False) -> FailureKind:
    """Return what an error means for the request that it came for, which is still open.

    Args:
        code: IB's error code; not that of a notice.
        text: IB's words.
        outage: IB, or one of its farms, is known to be down: then it also says of contracts that it does not know them.
    """
    lowered = text.lower()
    if code == _UNKNOWN_CONTRACT:
        if "ambiguous" in lowered:
            return FailureKind.AMBIGUOUS_INSTRUMENT
        return FailureKind.SERVICE_TROUBLE if outage else FailureKind.UNKNOWN_INSTRUMENT
    if code in _DECIDED_BY_TEXT or (code == _TOO_MANY_OR_WRONG and "simultaneous" in lowered):
        return next((kind for part, kind in _BY_TEXT if part in lowered), FailureKind.SERVICE_TROUBLE)
    return _BY_CODE.get(code, FailureKind.SERVICE_TROUBLE)
