"""Noticing a gateway whose messages are not in English.

What code 162 means is told by its text alone, so a gateway that speaks another language can't be understood. It shows
at once: of some codes every English text has a word in common, and three of them are told to every client that starts.
"""

from collections.abc import Mapping
from typing import Final

SETTING: Final = 'turn "Show API messages in English" on in its API settings'

_ENGLISH: Final[Mapping[int, tuple[str, ...]]] = {
    162: ("historical market data service", "error message", "query"),
    200: ("security definition", "ambiguous", "contract"),
    321: ("validating", "request"),
    366: ("ticker id", "query"),
    1100: ("connectivity", "connection"),
    1101: ("connectivity", "connection"),
    1102: ("connectivity", "connection"),
    2103: ("data farm",),
    2104: ("data farm",),
    2105: ("data farm",),
    2106: ("data farm",),
    2107: ("data farm",),
    2108: ("data farm",),
    2110: ("connectivity", "connection"),
    2157: ("data farm",),
    2158: ("data farm",),
}


def is_english(code: int, text: str) -> bool | None:
    """Tell whether a message is in English; None where its code does not tell.

    Args:
        code: IB's code of the message.
        text: IB's words.
    """
    if code not in _ENGLISH:
        return None
    lowered = text.lower()
    return any(words in lowered for words in _ENGLISH[code])
