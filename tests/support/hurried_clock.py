"""Time that a test lets run ahead, so that nobody's patience has to be shorter than a busy machine is slow."""

from services.common.clock import SystemClock


class HurriedClock(SystemClock):
    """The machine's clock; its monotonic seconds can be made to have passed already. Sleeps take as long as they do."""

    def __init__(self) -> None:
        self._ahead_seconds = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead_seconds

    def run_ahead(self, seconds: float) -> None:
        """Let seconds have passed: whoever measures how long something takes finds so at the next look."""
        self._ahead_seconds += seconds
