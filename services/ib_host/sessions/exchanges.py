"""Exchanges: the gateway's names, and the codes of exchange-calendars."""

from datetime import time, timedelta
from typing import Final, NamedTuple

_NEW_YORK: Final = (
    "NYSE NASDAQ ISLAND ARCA AMEX BATS BYX EDGEA DRCTEDGE EDGX IEX BEX CHX PSX NYSENAT MEMX PEARL LTSE "
    "PINK OTCBB OTCLNKECN"
)
_CODES: Final = {
    **dict.fromkeys(_NEW_YORK.split(), "XNYS"),
    "TSE": "XTSE",
    "VENTURE": "XTSE",
    "MEXI": "XMEX",
    "LSE": "XLON",
    "LSEETF": "XLON",
    "IBIS": "XETR",
    "IBIS2": "XETR",
    "XETRA": "XETR",
    "FWB": "XFRA",
    "FWB2": "XFRA",
    "SWB": "XSTU",
    "SWB2": "XSTU",
    "SBF": "XPAR",
    "AEB": "XAMS",
    "ENEXT.BE": "XBRU",
    "BVL": "XLIS",
    "BM": "XMAD",
    "BVME": "XMIL",
    "BVME.ETF": "XMIL",
    "EBS": "XSWX",
    "SFB": "XSTO",
    "CPH": "XCSE",
    "HEX": "XHEL",
    "OSE": "XOSL",
    "VSE": "XWBO",
    "WSE": "XWAR",
    "BUX": "XBUD",
    "PRA": "XPRA",
    "SEHK": "XHKG",
    "TSEJ": "XTKS",
    "KSE": "XKRX",
    "SGX": "XSES",
    "ASX": "XASX",
    "BSE": "XBOM",
    "CME": "CMES",
    "GLOBEX": "CMES",
    "CBOT": "CMES",
    "ECBOT": "CMES",
    "NYMEX": "CMES",
    "COMEX": "CMES",
    "NYBOT": "IEPA",
    "CBOE": "XCBF",
    "CFE": "XCBF",
    "EUREX": "XEUR",
    "DTB": "XEUR",
    "HKFE": "XHKG",
    "SNFE": "XASX",
}
_NEW_YORK_EXTENDED: Final = (time(4), time(20))
_AUCTIONS: Final = timedelta(minutes=90)


class Extended(NamedTuple):
    """How far trading outside of the regular hours reaches.

    Attributes:
        opens: local time at which it begins at the earliest; None: `around` counts.
        closes: local time at which it ends at the latest; None: `around` counts.
        around: before the opening and after the close.
    """

    opens: time | None
    closes: time | None
    around: timedelta


def exchange_code(name: str) -> str | None:
    """Return the code of the exchange-calendars library for an exchange as a gateway names it; None: it has none."""
    word = name.strip().upper()
    return _CODES.get(word) or _CODES.get(word.partition(".")[0])


def extended_hours(code: str) -> Extended:
    """Return when stocks are traded outside of the regular hours.

    In New York from 4:00 to 20:00, for many stocks only now and then. Elsewhere auctions and late trades are assumed to
    stay within an hour and a half of the session.
    """
    if code == "XNYS":
        return Extended(*_NEW_YORK_EXTENDED, around=timedelta())
    return Extended(None, None, around=_AUCTIONS)
