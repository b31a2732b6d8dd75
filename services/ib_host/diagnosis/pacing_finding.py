"""How IB's limits stand."""

from typing import Final

from ktrdr.ib.v1 import ib_pb2

from services.ib_host.diagnosis.findings import PACING, fine, warning
from services.ib_host.pacing.picture import PacingPicture

_ALONE: Final = (
    "Loads go on by themselves. Let no other program ask for history with the same account: IB counts all of them "
    "together, and the host knows its own requests only."
)


def look_at_pacing(picture: PacingPicture) -> ib_pb2.Finding:
    """Return whether IB has said that it was asked too fast, and how much of its limits is used."""
    used = ", ".join(f"{window.used} of {window.limit} {window.name}" for window in picture.windows if window.used)
    used = used or "nothing"
    if picture.pause_seconds > 0:
        text = f"IB said that it was asked too fast; loads pause for {picture.pause_seconds:.0f} s. Used: {used}."
        return warning(PACING, text, _ALONE)
    if picture.slowdown > 1:
        text = f"IB said that it was asked too fast; the rate is a {picture.slowdown}th of the usual. Used: {used}."
        return warning(PACING, text, _ALONE)
    if picture.violations:
        times = "once" if picture.violations == 1 else f"{picture.violations} times"
        return warning(PACING, f"IB said {times} lately that it was asked too fast. Used: {used}.", _ALONE)
    return fine(PACING, f"Used: {used}.")
