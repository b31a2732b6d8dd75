"""What somebody meant who wrote something else."""

import difflib
from collections.abc import Iterable


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like a name: itself, if it is known; None if none is much like it."""
    names = list(known)
    if name in names:
        return name
    by_lower_case = {each.lower(): each for each in names}
    close = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    return by_lower_case[close[0]] if close else None


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the end of a fault's description that asks for the closest known name, or nothing."""
    meant = closest(name, known)
    return f'; did you mean "{meant}"?' if meant is not None else ""
